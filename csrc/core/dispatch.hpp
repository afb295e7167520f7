// From the instruction set in use to its table of kernels.
#pragma once

#include "../kernels/table.hpp"
#include "tapwise/status.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// The table of the instruction set in use, or null with `status` saying why.
TAPWISE_FUNCTION const kernels::IsaTable* active_table(Status& status) noexcept;

template <class T>
const kernels::Kernels<T>& kernels_of(const kernels::IsaTable& table) noexcept;
template <>
inline const kernels::Kernels<float>& kernels_of<float>(const kernels::IsaTable& table) noexcept {
  return table.f32;
}
template <>
inline const kernels::Kernels<double>& kernels_of<double>(const kernels::IsaTable& table) noexcept {
  return table.f64;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
