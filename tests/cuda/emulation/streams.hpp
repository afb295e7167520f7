// Streams as queues of operations. Nothing here decides when they run: that is the runtime's, at the call (eager) or
// when something forces it (lazy).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "api_types.hpp"

namespace tapwise::emulation {

struct Stream;

// A place in a stream: after its first `count` operations.
struct Position {
  std::shared_ptr<Stream> stream;
  std::uint64_t count = 0;

  bool reached() const;
};

struct Operation {
  std::function<void()> work;
  std::vector<Position> after;  // in other streams
};

struct Stream {
  int device = 0;
  bool legacy = false;
  bool blocking = false;  // takes part in the legacy stream's implicit order
  bool destroyed = false;
  std::deque<Operation> queue;
  std::uint64_t completed = 0;
  std::optional<std::uint64_t> polled;  // the end of the queue when a query last answered "not ready"

  std::uint64_t submitted() const { return completed + queue.size(); }
};

inline bool Position::reached() const { return stream == nullptr || stream->completed >= count; }

// Operations are queued after all that they depend on, so the recursion cannot come back to the one being run.
inline void run_to(const Position& position) {
  while (!position.reached()) {
    Stream& stream = *position.stream;
    for (const Position& earlier : stream.queue.front().after) run_to(earlier);
    stream.queue.front().work();
    stream.queue.pop_front();
    ++stream.completed;
  }
}

struct Event {
  int device = 0;
  bool timed = true;
  std::optional<Position> recorded;
  bool polled = false;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

// All streams, with those that CUDA provides by itself. Handles are numbers never used twice, so that the use of a
// destroyed stream is always seen.
class StreamTable {
 public:
  cudaStream_t create(int device, bool blocking) {
    const auto handle = reinterpret_cast<cudaStream_t>(next_handle_ += 16);
    named_[handle] = add(device, false, blocking);
    return handle;
  }

  // The work left in its queue is still done, as on a device.
  bool destroy(cudaStream_t handle) {
    const auto entry = named_.find(handle);
    if (entry == named_.end()) return false;
    entry->second->destroyed = true;
    named_.erase(entry);
    return true;
  }

  // Null for a handle that is none.
  std::shared_ptr<Stream> find(cudaStream_t handle, int current_device) {
    if (handle == nullptr || handle == cudaStreamLegacy) return legacy(current_device);
    if (handle == cudaStreamPerThread) return per_thread(current_device);
    const auto entry = named_.find(handle);
    return entry == named_.end() ? nullptr : entry->second;
  }

  // The legacy stream waits for all work so far of the device's blocking streams, and they for its.
  std::vector<Position> implicit_order(const Stream& stream) {
    std::vector<Position> after;
    if (!stream.legacy && !stream.blocking) return after;
    for (const auto& other : all_) {
      const bool related = stream.legacy ? other->blocking : other->legacy;
      if (related && other->device == stream.device && !other->queue.empty()) {
        after.push_back({other, other->submitted()});
      }
    }
    return after;
  }

  void run_all() {
    for (std::size_t i = 0; i < all_.size(); ++i) run_to({all_[i], all_[i]->submitted()});
    std::erase_if(all_, [](const auto& stream) { return stream->destroyed; });
  }

 private:
  std::shared_ptr<Stream> add(int device, bool legacy, bool blocking) {
    all_.push_back(std::make_shared<Stream>());
    all_.back()->device = device;
    all_.back()->legacy = legacy;
    all_.back()->blocking = blocking;
    return all_.back();
  }
  std::shared_ptr<Stream> legacy(int device) {
    auto& stream = legacy_[device];
    if (stream == nullptr) stream = add(device, true, false);
    return stream;
  }
  std::shared_ptr<Stream> per_thread(int device) {
    auto& stream = per_thread_[{std::this_thread::get_id(), device}];
    if (stream == nullptr) stream = add(device, false, true);
    return stream;
  }

  std::uintptr_t next_handle_ = 0x1000;
  std::map<cudaStream_t, std::shared_ptr<Stream>> named_;
  std::map<int, std::shared_ptr<Stream>> legacy_;
  std::map<std::pair<std::thread::id, int>, std::shared_ptr<Stream>> per_thread_;
  std::vector<std::shared_ptr<Stream>> all_;
};

}  // namespace tapwise::emulation
