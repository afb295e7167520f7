// Single numbers in the caller's memory, which may be misaligned.
#pragma once

#include <cstddef>
#include <cstring>

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

/// *to = value, or *to += value.
template <class T>
void store(std::byte* to, T value, bool accumulate) {
  store<T>(to, accumulate ? value + load<T>(to) : value);
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
