// The asynchronous copies (cp.async) of one thread of a kernel, with the group semantics of the PTX ISA.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace tapwise::emulation {

struct AsyncCopy {
  void* shared;
  const void* global;
  std::size_t bytes;  // 0 once it has landed
  bool valid;         // else zeros, and `global` is left alone

  // Plain accesses of the issuing thread, which is how the sanitizers should see them.
  void land() const {
    if (valid) {
      std::memcpy(shared, global, bytes);
    } else {
      std::memset(shared, 0, bytes);
    }
  }
};

// cp.async.commit_group closes a group of the copies issued since the last; cp.async.wait_group N returns once at most
// the N newest groups are still pending. Copies outside a committed group are waited for by nothing.
class CopyQueue {
 public:
  void issue(const AsyncCopy& copy) { entries_.push_back({copy, groups_}); }
  void commit() { ++groups_; }

  // Takes the oldest copy that a wait for `pending` groups has to see landed.
  bool take_due(std::size_t pending, AsyncCopy& copy) {
    if (empty() || entries_[first_].group + pending >= groups_) return false;
    copy = entries_[first_++].copy;
    if (first_ == entries_.size()) {
      entries_.clear();
      first_ = 0;
    }
    return true;
  }

  bool empty() const { return first_ == entries_.size(); }

 private:
  struct Entry {
    AsyncCopy copy;
    std::size_t group;
  };
  std::vector<Entry> entries_;
  std::size_t first_ = 0;
  std::size_t groups_ = 0;
};

}  // namespace tapwise::emulation
