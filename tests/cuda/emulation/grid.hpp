// Runs the blocks of a launch one after another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "block.hpp"
#include "race_identities.hpp"

namespace tapwise::emulation {

// Every emulated thread needs a stack; they are kept from launch to launch. Only one launch runs at a time. To
// ThreadSanitizer a used stack would look shared with the thread that had it before, until it is unmapped.
inline const StackArena& stacks_for(std::size_t threads) {
  static std::unique_ptr<StackArena> stacks;
  if (kThreadSanitizer) stacks.reset();
  if (stacks == nullptr || stacks->count() < threads) stacks = std::make_unique<StackArena>(threads);
  return *stacks;
}

inline std::vector<std::uint64_t> order_of_blocks(std::uint64_t count, Order order, std::mt19937& random) {
  std::vector<std::uint64_t> blocks(count);
  std::iota(blocks.begin(), blocks.end(), std::uint64_t{0});
  if (order == Order::kReverse) std::reverse(blocks.begin(), blocks.end());
  if (order == Order::kShuffled) std::shuffle(blocks.begin(), blocks.end(), random);
  return blocks;
}

// `number` tells launches apart, which are shuffled differently. Returns what went wrong, or nothing.
inline std::string run_grid(const Launch& launch, const Settings& settings, std::uint64_t number) {
  std::string fault;
  {
    const tsan::Unobserved unobserved;
    std::mt19937 random(static_cast<std::uint32_t>(settings.seed + number));
    const std::size_t threads = std::size_t{launch.block.x} * launch.block.y * launch.block.z;
    const std::uint64_t count = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    RaceIdentities identities(settings.races, threads);
    gridDim = launch.grid;
    blockDim = launch.block;
    for (const std::uint64_t i : order_of_blocks(count, settings.order, random)) {
      const std::uint64_t rest = i / launch.grid.x;
      blockIdx = {static_cast<unsigned>(i % launch.grid.x), static_cast<unsigned>(rest % launch.grid.y),
                  static_cast<unsigned>(rest / launch.grid.y)};
      identities.begin_block();
      fault = Block(launch, settings, stacks_for(threads), identities, random).run();
      if (!fault.empty()) break;
    }
  }
  tsan::acquire(RaceIdentities::launch_end());
  return fault;
}

}  // namespace tapwise::emulation
