// Which threads ThreadSanitizer believes it sees during a launch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "sanitizers.hpp"
#include "settings.hpp"

namespace tapwise::emulation {

// Races::kThreads makes each emulated thread a thread of its own, which finds missing barriers. The blocks are not
// ordered either, but ThreadSanitizer tells some 250 threads apart at a time, so that after a barrier of a large block
// the accesses of earlier blocks count as ordered. Races::kBlocks finds conflicts between blocks, and only those: each
// block is one thread. The newest identities live on, as little is remembered of the accesses of ended threads.
class RaceIdentities {
 public:
  RaceIdentities(Races races, std::size_t threads) : races_(races), kept_(races == Races::kBlocks ? 200 : threads) {}
  ~RaceIdentities() {
    while (!identities_.empty()) drop_oldest();
  }
  RaceIdentities(const RaceIdentities&) = delete;
  RaceIdentities& operator=(const RaceIdentities&) = delete;

  void begin_block() {
    if (races_ == Races::kBlocks) add();
  }

  // For the next thread of the block.
  void* next() {
    if (races_ == Races::kThreads) add();
    return identities_.back();
  }

  // Where every thread's accesses end up ordered before what the host does after the launch. The host acquires it only
  // once all blocks are done, since acquiring it earlier would order the blocks.
  static void* launch_end() {
    static constinit std::uint64_t token = 0;
    return &token;
  }

 private:
  void add() {
    if (identities_.size() == kept_) drop_oldest();
    identities_.push_back(tsan::create_fiber());
  }
  void drop_oldest() {
    tsan::destroy_fiber(identities_.front());
    identities_.pop_front();
  }

  Races races_;
  std::size_t kept_;
  std::deque<void*> identities_;
};

}  // namespace tapwise::emulation
