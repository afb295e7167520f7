// The dynamic shared memory of a block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace tapwise::emulation {

// A heap block of its own and of exactly the launched size, so that AddressSanitizer sees the first byte beyond; every
// byte 0xFF, so that what was never written reads as NaN.
class SharedMemory {
 public:
  static constexpr std::size_t kAlignment = 16;

  explicit SharedMemory(std::size_t bytes) : bytes_(bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, bytes) != 0) throw std::bad_alloc();
    memory_.reset(static_cast<unsigned char*>(memory));
    std::memset(memory, 0xFF, bytes);
  }

  unsigned char* data() const { return memory_.get(); }
  bool holds(const void* address, std::size_t bytes) const {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(data());
    return offset <= bytes_ && bytes <= bytes_ - offset;
  }

 private:
  struct Free {
    void operator()(unsigned char* memory) const { std::free(memory); }
  };
  std::size_t bytes_;
  std::unique_ptr<unsigned char, Free> memory_;
};

}  // namespace tapwise::emulation
