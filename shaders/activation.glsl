// SPDX-License-Identifier: MIT
// What follows a product: 0 nothing, 1 SiLU, 2 GELU, 3 GELU by tanh. The arguments of exp are clamped, because exp of a
// large number need not be infinite everywhere.

/// erf(x), absolute error below 5e-7. source: Abramowitz & Stegun 1964, 7.1.26
float erf(float x) {
  const float t = 1.0 / (0.3275911 * abs(x) + 1.0);
  const float p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const float rest = p * exp(max(-x * x, -80.0));
  return x < 0.0 ? rest - 1.0 : 1.0 - rest;
}

float activated(float v, uint activation) {
  if (activation == 1u) return v / (1.0 + exp(min(-v, 80.0)));
  if (activation == 2u) return v * (0.5 * erf(v * 0.707106781) + 0.5);
  // v·(1 + tanh u)/2 = v/(1 + exp(−2u)), u = √(2/π)·(v + 0.044715 v³)
  if (activation == 3u) return v / (1.0 + exp(min(-1.59576912 * (v + 0.044715 * v * v * v), 80.0)));
  return v;
}
