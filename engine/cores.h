// SPDX-License-Identifier: MIT
#pragma once

namespace dit {

/// Cores that this process may use, at least one.
unsigned available_cores();

}  // namespace dit
