// SPDX-License-Identifier: MIT
// How often icons of each word are recognised: metadata "good" of a weight file, written by training/export.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/weights.h"

namespace dit {

/// Bytes of base64 (RFC 4648 §4, padded); nothing for what is not.
std::vector<std::uint8_t> decode_base64(std::string_view text);

/// ModelConfig::good of these weights; config: their own. file: for messages. errors  wrong_format
std::vector<std::uint8_t> read_good(const Weights& weights, const ModelConfig& config, const std::string& file);

}  // namespace dit
