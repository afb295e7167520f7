// "Device" and pinned memory: host memory in heap blocks of exactly the asked size, so that AddressSanitizer sees the
// first byte beyond. It is filled with 0xFF, NaN to a reader, before the first use and again when it is freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

namespace tapwise::emulation {

enum class Place { kPageable, kPinned, kDevice };

struct Allocation {
  std::size_t bytes;
  Place place;
  int device;
  bool freeing = false;  // handed to cudaFreeAsync, which the stream has yet to reach
};

// The barrier keeps the fill of a block that is freed next from being optimized away.
inline void poison(void* memory, std::size_t bytes) {
  std::memset(memory, 0xFF, bytes);
  asm volatile("" : : "r"(memory) : "memory");
}

class Memory {
 public:
  static constexpr std::size_t kAlignment = 256;

  // Null if `limit`, the total of the device, does not hold another `bytes`.
  void* allocate(std::size_t bytes, Place place, int device, std::size_t limit) {
    const bool counted = place == Place::kDevice;
    if (counted && (bytes > limit || bytes_in_use(device) > limit - bytes)) return nullptr;
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, bytes) != 0) return nullptr;
    poison(memory, bytes);
    allocations_[reinterpret_cast<std::uintptr_t>(memory)] = {bytes, place, device};
    return memory;
  }

  void release(void* memory) {
    const auto entry = allocations_.find(reinterpret_cast<std::uintptr_t>(memory));
    poison(memory, entry->second.bytes);
    allocations_.erase(entry);
    std::free(memory);
  }

  // The allocation that starts at `memory`, or null.
  Allocation* find_start(const void* memory) {
    const auto entry = allocations_.find(reinterpret_cast<std::uintptr_t>(memory));
    return entry == allocations_.end() ? nullptr : &entry->second;
  }

  // The allocation that holds `bytes` from `address` on, or null.
  const Allocation* find(const void* address, std::size_t bytes) const {
    const auto position = reinterpret_cast<std::uintptr_t>(address);
    auto entry = allocations_.upper_bound(position);
    if (entry == allocations_.begin()) return nullptr;
    --entry;
    const std::size_t offset = position - entry->first;
    const std::size_t size = entry->second.bytes;
    return offset < size && bytes <= size - offset ? &entry->second : nullptr;
  }

  std::size_t bytes_in_use(int device) const {
    std::size_t total = 0;
    for (const auto& [start, allocation] : allocations_) {
      if (allocation.place == Place::kDevice && allocation.device == device) total += allocation.bytes;
    }
    return total;
  }

  std::size_t bytes_in_use() const {
    std::size_t total = 0;
    for (const auto& [start, allocation] : allocations_) {
      if (allocation.place == Place::kDevice) total += allocation.bytes;
    }
    return total;
  }

 private:
  std::map<std::uintptr_t, Allocation> allocations_;
};

}  // namespace tapwise::emulation
