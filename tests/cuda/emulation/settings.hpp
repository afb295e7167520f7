// How the emulated machine behaves: settings that a test chooses, in the environment or at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tapwise::emulation {

enum class Order { kForward, kReverse, kShuffled };
enum class Races { kThreads, kBlocks };
enum class Landing { kIssue, kWait };
enum class Streams { kEager, kLazy };

struct Settings {
  Order order = Order::kForward;              // of the threads of a block between barriers, and of the blocks
  std::uint32_t seed = 1;                     // of the shuffled order
  Races races = Races::kThreads;              // what ThreadSanitizer tells apart, see RaceIdentities
  Landing land = Landing::kIssue;             // when cp.async reads its source and writes shared memory
  Streams streams = Streams::kEager;          // whether work runs at the call, or only once something needs it done
  int devices = 1;                            // 0: cudaErrorNoDevice
  int driver = 13000;                         // below the runtime's 13000, or 0 for none: cudaErrorInsufficientDriver
  std::size_t memory = std::size_t{4} << 30;  // bytes of each device
  int sms = 4;                                // few, so that small problems already take several waves of blocks
  int arch = 80;                              // compute capability times ten
  int shared_optin = 166912;                  // bytes of shared memory that a block may opt in to; A100's by default
  int pools = 1;                              // 0: no stream-ordered allocation
};

namespace detail {

[[noreturn]] inline void refuse_setting(std::string_view text) {
  std::fprintf(stderr, "TAPWISE_EMULATION: cannot understand '%.*s'\n", static_cast<int>(text.size()), text.data());
  std::abort();
}

inline long long parse_number(std::string_view value, std::string_view entry) {
  const std::string digits(value);
  char* end = nullptr;
  const long long number = std::strtoll(digits.c_str(), &end, 10);
  if (digits.empty() || *end != '\0' || number < 0) refuse_setting(entry);
  return number;
}

// Whether `entry` is this key with one of these words; if so, the setting takes the word's position as its value.
template <class Setting>
bool apply_word(Setting& setting, std::string_view entry, std::string_view key,
                std::initializer_list<std::string_view> words) {
  int position = 0;
  for (const std::string_view word : words) {
    if (entry == std::string(key) + "=" + std::string(word)) {
      setting = static_cast<Setting>(position);
      return true;
    }
    ++position;
  }
  return false;
}

template <class Setting>
bool apply_number(Setting& setting, std::string_view entry, std::string_view key) {
  if (!entry.starts_with(std::string(key) + "=")) return false;
  setting = static_cast<Setting>(parse_number(entry.substr(key.size() + 1), entry));
  return true;
}

inline void apply_entry(Settings& settings, std::string_view entry) {
  if (entry == "defaults") {
    settings = Settings{};
    return;
  }
  const bool known = apply_word(settings.order, entry, "order", {"forward", "reverse", "shuffled"}) ||
                     apply_word(settings.races, entry, "races", {"threads", "blocks"}) ||
                     apply_word(settings.land, entry, "land", {"issue", "wait"}) ||
                     apply_word(settings.streams, entry, "streams", {"eager", "lazy"}) ||
                     apply_number(settings.seed, entry, "seed") || apply_number(settings.devices, entry, "devices") ||
                     apply_number(settings.driver, entry, "driver") || apply_number(settings.memory, entry, "memory") ||
                     apply_number(settings.sms, entry, "sms") || apply_number(settings.arch, entry, "arch") ||
                     apply_number(settings.shared_optin, entry, "shared_optin") ||
                     apply_number(settings.pools, entry, "pools");
  if (!known) refuse_setting(entry);
}

}  // namespace detail

// "key=value,key=value": changes what it names and keeps the rest; the bare word "defaults" restores everything. A typo
// ends the process, lest a test run under other settings than it says.
inline void apply_settings(Settings& settings, std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    detail::apply_entry(settings, text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
}

}  // namespace tapwise::emulation
