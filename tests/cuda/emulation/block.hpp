// One thread block: a fiber for every thread, and a scheduler that runs them in turn from barrier to barrier.
//
// For ThreadSanitizer the scheduler and the threads are not ordered by running in turn, so all that they share here is
// kept Unobserved; the kernel's own accesses, and those of cp.async on its behalf, are not.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "copies.hpp"
#include "fiber.hpp"
#include "race_identities.hpp"
#include "sanitizers.hpp"
#include "settings.hpp"
#include "shared_memory.hpp"
#include "vector_types.hpp"
#include "warp.hpp"

namespace tapwise::emulation {

inline std::string to_text(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

struct Launch {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  std::function<void()> kernel;
};

class Block {
 public:
  Block(const Launch& launch, const Settings& settings, const StackArena& stacks, RaceIdentities& identities,
        std::mt19937& random)
      : launch_(launch),
        settings_(settings),
        random_(random),
        shared_(launch.shared_bytes),
        threads_(std::size_t{launch.block.x} * launch.block.y * launch.block.z),
        warps_((threads_.size() + kWarpSize - 1) / kWarpSize),
        order_(threads_.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
    if (settings.order == Order::kReverse) std::reverse(order_.begin(), order_.end());
    for (unsigned i = 0; i < threads_.size(); ++i) {
      threads_[i].number = i;
      const unsigned rest = i / launch.block.x;
      threads_[i].index = {i % launch.block.x, rest % launch.block.y, rest / launch.block.y};
      warp_of(threads_[i]).live |= lane_bit(threads_[i]);
      threads_[i].fiber.start(stacks[i], &Block::enter, this, identities.next());
    }
  }

  // The block whose thread is running on this host thread.
  static Block& current() { return *running(); }

  // Runs all threads to their end; says what went wrong, or nothing.
  std::string run() {
    running() = this;
    while (finished_ < threads_.size()) {
      if (settings_.order == Order::kShuffled) std::shuffle(order_.begin(), order_.end(), random_);
      if (!run_round()) fail(divergence());
    }
    running() = nullptr;
    return fault_;
  }

  // What follows is called by the threads of the kernel.
  unsigned char* shared_memory() const { return shared_.data(); }
  unsigned lane() const { return current_->number % kWarpSize; }

  void sync_threads() {
    void* const token = barrier_->token();
    tsan::release(token);
    suspend(State::kAtBarrier);
    tsan::acquire(token);
  }

  // Only __syncwarp orders memory; the PTX ISA promises no such thing of shfl.sync and mma.sync.
  void meet_warp(const WarpVisit& visit) {
    if ((visit.mask & lane_bit(*current_)) == 0) throw Fault("a warp operation whose mask lacks the calling lane");
    const bool ordering = visit.operation == WarpOperation::kSync;
    void* const token = arrive_at_warp(visit);
    if (ordering) tsan::release(token);
    suspend(State::kAtWarp);
    if (ordering) tsan::acquire(token);
  }

  void issue_copy(AsyncCopy copy) {
    const auto address = reinterpret_cast<std::uintptr_t>(copy.shared) | reinterpret_cast<std::uintptr_t>(copy.global);
    if (address % copy.bytes != 0) throw Fault("misaligned cp.async");
    if (!shared_.holds(copy.shared, copy.bytes)) throw Fault("cp.async to outside the dynamic shared memory");
    if (settings_.land == Landing::kIssue) {
      copy.land();
      copy.bytes = 0;
    }
    const tsan::Unobserved unobserved;
    current_->copies.issue(copy);
  }

  void commit_copies() {
    const tsan::Unobserved unobserved;
    current_->copies.commit();
  }

  void wait_for_copies(std::size_t pending) {
    AsyncCopy copy;
    while (take_due_copy(pending, copy)) {
      if (copy.bytes != 0) copy.land();
    }
  }

 private:
  enum class State { kReady, kAtBarrier, kAtWarp, kFinished };

  struct Thread {
    Fiber fiber;
    uint3 index{};
    unsigned number = 0;  // in the block, x fastest; warps are 32 successive numbers
    State state = State::kReady;
    const WarpVisit* visit = nullptr;
    CopyQueue copies;
  };

  // Thrown into threads that wait when the launch has failed, so that their stacks unwind.
  struct Cancelled {};

  static Block*& running() {
    static constinit thread_local Block* block = nullptr;
    return block;
  }

  static std::uint32_t lane_bit(const Thread& thread) { return 1U << thread.number % kWarpSize; }
  Warp& warp_of(const Thread& thread) { return warps_[thread.number / kWarpSize]; }

  static void enter(void* self) { static_cast<Block*>(self)->run_thread(); }

  void run_thread() {
    try {
      if (!failed()) launch_.kernel();
      const tsan::Unobserved unobserved;
      if (!current_->copies.empty() && !failed()) throw Fault("the kernel ends with a cp.async in flight");
    } catch (const Cancelled&) {
    } catch (const std::exception& error) {
      fail_thread(error.what());
    } catch (...) {
      fail_thread("an unknown exception");
    }
    tsan::release(RaceIdentities::launch_end());
    const tsan::Unobserved unobserved;
    current_->state = State::kFinished;
  }

  // Says whether anything ran. Threads made ready during a round wait for the next one, so that the order holds between
  // any two barriers.
  bool run_round() {
    round_.clear();
    for (const unsigned number : order_) {
      if (threads_[number].state == State::kReady) round_.push_back(number);
    }
    for (const unsigned number : round_) step(threads_[number]);
    if (at_barrier_ == threads_.size()) release_barrier();
    return !round_.empty();
  }

  void step(Thread& thread) {
    current_ = &thread;
    threadIdx = thread.index;
    thread.fiber.resume();
    if (thread.state == State::kFinished) finish(thread);
    if (thread.state == State::kAtWarp) complete_warp(thread);
  }

  void finish(Thread& thread) {
    ++finished_;
    Warp& warp = warp_of(thread);
    warp.live &= ~lane_bit(thread);
    for (std::uint32_t left = warp.waiting; left != 0; left &= left - 1) {
      Thread& waiting = neighbour(thread, static_cast<unsigned>(std::countr_zero(left)));
      if (waiting.state == State::kAtWarp) complete_warp(waiting);
    }
  }

  Thread& neighbour(const Thread& thread, unsigned lane) {
    return threads_[thread.number / kWarpSize * kWarpSize + lane];
  }

  // Performs the operation that `thread` waits for if all lanes of its mask that have not exited are there.
  void complete_warp(Thread& thread) {
    Warp& warp = warp_of(thread);
    const std::uint32_t mask = thread.visit->mask;
    const std::uint32_t members = mask & warp.live;
    if ((members & ~warp.waiting) != 0) return;
    WarpMeeting meeting;
    for (std::uint32_t left = members; left != 0; left &= left - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(left));
      const WarpVisit* const visit = neighbour(thread, lane).visit;
      if (visit->mask != mask) return;
      if (visit->operation != thread.visit->operation) return fail("lanes of one warp at different operations");
      meeting.lanes[lane] = visit;
    }
    perform(thread, meeting);
    warp.points[mask].complete();
    warp.waiting &= ~members;
    for (std::uint32_t left = members; left != 0; left &= left - 1) {
      neighbour(thread, static_cast<unsigned>(std::countr_zero(left))).state = State::kReady;
    }
  }

  void perform(const Thread& thread, const WarpMeeting& meeting) {
    try {
      if (thread.visit->perform != nullptr) thread.visit->perform(meeting);
    } catch (const Fault& fault) {
      fail(fault.what());
    }
  }

  void release_barrier() {
    barrier_->complete();
    at_barrier_ = 0;
    for (Thread& thread : threads_) thread.state = State::kReady;
  }

  // Nothing is unobserved across the switch: the next thread may share this one's identity.
  void suspend(State state) {
    note_waiting(state);
    current_->fiber.suspend();
    if (failed()) throw Cancelled{};
  }

  void note_waiting(State state) {
    const tsan::Unobserved unobserved;
    current_->state = state;
    if (state == State::kAtBarrier) ++at_barrier_;
  }

  void* arrive_at_warp(const WarpVisit& visit) {
    const tsan::Unobserved unobserved;
    Warp& warp = warp_of(*current_);
    current_->visit = &visit;
    warp.waiting |= lane_bit(*current_);
    return warp.points[visit.mask].token();
  }

  bool take_due_copy(std::size_t pending, AsyncCopy& copy) {
    const tsan::Unobserved unobserved;
    return current_->copies.take_due(pending, copy);
  }

  bool failed() const { return !fault_.empty(); }

  void fail_thread(const std::string& what) {
    const tsan::Unobserved unobserved;
    fail("thread " + to_text(threadIdx.x, threadIdx.y, threadIdx.z) + ": " + what);
  }

  // Keeps the first fault, and lets every waiting thread go on to its end.
  void fail(const std::string& what) {
    if (!failed()) fault_ = "block " + to_text(blockIdx.x, blockIdx.y, blockIdx.z) + ": " + what;
    for (Thread& thread : threads_) {
      if (thread.state != State::kFinished) thread.state = State::kReady;
    }
    at_barrier_ = 0;
  }

  std::string divergence() const {
    const auto count = [this](State state) {
      return std::to_string(
          std::count_if(threads_.begin(), threads_.end(), [state](const Thread& t) { return t.state == state; }));
    };
    return "divergent barrier: " + count(State::kAtBarrier) + " threads at __syncthreads, " + count(State::kAtWarp) +
           " at a warp operation, " + count(State::kFinished) + " finished";
  }

  const Launch& launch_;
  const Settings& settings_;
  std::mt19937& random_;
  SharedMemory shared_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> order_;  // of the threads in a round
  std::vector<unsigned> round_;  // the ready ones among them
  // On the heap, as ThreadSanitizer forgets a token's history when its memory is freed: blocks must share none.
  std::unique_ptr<MeetingPoint> barrier_ = std::make_unique<MeetingPoint>();
  Thread* current_ = nullptr;
  std::size_t finished_ = 0;
  std::size_t at_barrier_ = 0;
  std::string fault_;
};

}  // namespace tapwise::emulation
