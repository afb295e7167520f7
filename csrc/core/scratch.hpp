// Scratch memory for the length of a call: the caller's workspace, or the library's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "checked.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Memory of its own, aligned to kWorkspaceAlignment, on huge pages where it is large and the system has them; without
/// data if there is too little.
class Memory {
 public:
  Memory() = default;
  TAPWISE_FUNCTION explicit Memory(std::int64_t bytes) noexcept;
  TAPWISE_FUNCTION ~Memory();
  Memory(Memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Memory& operator=(Memory&& other) noexcept {
    Memory old(std::move(*this));
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  std::byte* data() const noexcept { return data_; }
  std::int64_t bytes() const noexcept { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

/// At least `bytes` bytes, aligned to kWorkspaceAlignment, or a status that says why not. Without a workspace the
/// calling thread keeps one block for its next call, so that a loop of calls neither allocates nor faults pages in;
/// blocks above kKeptBytes are given back at once. A nested request (a callback that convolves) gets a block of its
/// own, and so does one of a thread that is ending.
class Scratch {
 public:
  static constexpr std::int64_t kKeptBytes = std::int64_t{16} << 20;

  TAPWISE_FUNCTION Scratch(const Workspace& workspace, std::int64_t bytes) noexcept;
  TAPWISE_FUNCTION ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const Status& status() const noexcept { return status_; }
  std::byte* data() const noexcept { return data_; }

 private:
  Status status_;
  std::byte* data_ = nullptr;
  Memory own_;
  bool borrowed_ = false;  // from the thread
};

/// Hands out parts of a block, one after the other, each from a cache line on. Without a block it only counts.
class Arena {
 public:
  explicit Arena(std::byte* block = nullptr) noexcept : block_(block) {}

  template <class T>
  T* take(std::int64_t count) noexcept {
    std::byte* const part = block_ == nullptr ? nullptr : block_ + used_;
    used_ += round_up(capped_product(count, std::int64_t{sizeof(T)}), kWorkspaceAlignment);
    return reinterpret_cast<T*>(part);
  }
  std::int64_t used() const noexcept { return used_; }

 private:
  std::byte* block_;
  std::int64_t used_ = 0;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
