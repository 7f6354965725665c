// SPDX-License-Identifier: MIT
// Requests to pipelines/live-favicon: what any program of the network may send.
#pragma once

#include <cstddef>
#include <span>

namespace dit::fuzz {

/// The first byte says how the others are cut into pieces, which arrive one after the other at a connection. Aborts if
/// a request is served that should not be, or if the answer is none of HTTP.
void ask_server(std::span<const std::byte> bytes);

}  // namespace dit::fuzz
