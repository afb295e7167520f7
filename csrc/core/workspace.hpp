// Scratch memory for the length of a call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapwise {

/// At least `bytes` bytes, aligned to a cache line, or null. The calling thread keeps one block for its next call, so
/// that a loop of calls neither allocates nor faults pages in; blocks above kKeptBytes are given back at once.
/// A nested request (a callback that convolves) gets a block of its own.
class Workspace {
 public:
  static constexpr std::int64_t kKeptBytes = std::int64_t{16} << 20;

  explicit Workspace(std::int64_t bytes) noexcept;
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_ = nullptr;
  bool borrowed_ = false;
};

}  // namespace tapwise
