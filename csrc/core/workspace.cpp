#include "core/workspace.hpp"

#include <cstdlib>
#include <new>

#include "core/checked.hpp"

namespace tapwise {
namespace {

constexpr auto kAlignment = std::align_val_t{64};

std::byte* allocate(std::int64_t bytes) noexcept {
  return static_cast<std::byte*>(::operator new(static_cast<std::size_t>(bytes), kAlignment, std::nothrow));
}
void release(std::byte* block) noexcept { ::operator delete(block, kAlignment); }

struct Kept {
  std::byte* block = nullptr;
  std::int64_t bytes = 0;
  bool lent = false;
  ~Kept() { release(block); }
};

Kept& kept() noexcept {
  thread_local Kept instance;
  return instance;
}

}  // namespace

Workspace::Workspace(std::int64_t bytes) noexcept {
  if (bytes > kMostBytes) return;
  if (bytes < 1) bytes = 1;
  Kept& k = kept();
  if (bytes > kKeptBytes || k.lent) {
    data_ = allocate(bytes);
    return;
  }
  if (k.bytes < bytes) {
    release(k.block);
    k.block = allocate(bytes);
    k.bytes = k.block == nullptr ? 0 : bytes;
  }
  data_ = k.block;
  borrowed_ = k.lent = data_ != nullptr;
}

Workspace::~Workspace() {
  if (borrowed_) {
    kept().lent = false;
  } else {
    release(data_);
  }
}

}  // namespace tapwise
