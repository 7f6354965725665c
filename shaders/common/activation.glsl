// SPDX-License-Identifier: MIT
// What follows a product: 0 nothing, 1 SiLU, 2 GELU, 3 GELU by tanh. The arguments of exp are clamped, because exp of a
// large number need not be infinite everywhere.

#ifdef MATRIX
/// v·Φ(v) to 9e-5, for results that are rounded to halves: an odd polynomial in place of the exponential and the
/// division. Fitted to the largest error over |v| < 4.2, beyond which Φ is taken for 0 or 1.
float gelu(float v) {
  const float x = clamp(v, -4.2, 4.2), u = x * x;
  float p = -9.01757685e-10 * u + 7.94136891e-08;
  p = ((p * u - 3.0379394e-06) * u + 6.68908023e-05) * u - 9.50658288e-04;
  p = ((p * u + 9.29823234e-03) * u - 6.55282074e-02) * u + 3.98465876e-01;
  return v * (p * x + 0.5);
}
#else
/// erf(x), absolute error below 5e-7. source: Abramowitz & Stegun 1964, 7.1.26
float erf(float x) {
  const float t = 1.0 / (0.3275911 * abs(x) + 1.0);
  const float p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const float tail = p * exp(max(-x * x, -80.0));
  return x < 0.0 ? tail - 1.0 : 1.0 - tail;
}

float gelu(float v) { return v * (0.5 * erf(v * 0.707106781) + 0.5); }
#endif

float activated(float v, uint activation) {
  if (activation == 1u) return v / (1.0 + exp(min(-v, 80.0)));
  if (activation == 2u) return gelu(v);
  // v·(1 + tanh u)/2 = v/(1 + exp(−2u)), u = √(2/π)·(v + 0.044715 v³)
  if (activation == 3u) return v / (1.0 + exp(min(-1.59576912 * (v + 0.044715 * v * v * v), 80.0)));
  return v;
}
