// benchdnn's convolution descriptors, as bench/descriptor.py documents them: mb8_ic64ih56_oc64oh56_kh3_ph1n"name".
#pragma once

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tapwise/problem.hpp"

namespace tapwise::bench {

struct Described {
  ConvProblem problem;
  std::string name, error;  // an error says what is wrong, and there is no problem then
};

inline Described parse(const std::string& text) {
  Described result;
  const auto fail = [&](std::string what) { return result.error = text + ": " + what, result; };
  std::map<std::string, std::int64_t> values;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '_') {
      ++at;
      continue;
    }
    if (text.compare(at, 2, "n\"") == 0) {
      const std::size_t end = text.find('"', at + 2);
      if (end == text.npos || end + 1 != text.size()) return fail("the name must end the descriptor, with a quote");
      result.name = text.substr(at + 2, end - at - 2);
      break;
    }
    std::string key;
    while (at < text.size() && std::islower(static_cast<unsigned char>(text[at])) != 0) key += text[at++];
    const bool spatial = key.size() == 2 && std::string("iokspd").find(key[0]) != std::string::npos &&
                         std::string("dhw").find(key[1]) != std::string::npos;
    if (!spatial && key != "g" && key != "mb" && key != "ic" && key != "oc") return fail("unknown key \"" + key + '"');
    std::size_t digits = 0;
    while (at + digits < text.size() && std::isdigit(static_cast<unsigned char>(text[at + digits])) != 0) ++digits;
    constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;
    if (digits == 0 || digits > 10 || std::atoll(text.substr(at, digits).c_str()) > kLargest)
      return fail("a number up to 2147483647 must follow \"" + key + '"');
    if (!values.emplace(key, std::atoll(text.substr(at, digits).c_str())).second) return fail(key + " stands twice");
    at += digits;
  }
  if (result.name.empty()) result.name = text;

  const std::string axes = "dhw";
  std::size_t first = 0;
  while (first < 3 && !values.contains(std::string("i") + axes[first]) &&
         !values.contains(std::string("k") + axes[first]))
    ++first;
  if (first == 3) return fail("an input size such as ih56 is missing");
  if (!values.contains("ic") || !values.contains("oc")) return fail("ic or oc is missing");
  // What an axis lacks it takes from the one before it.
  const auto size = [&](char kind, std::size_t axis, std::int64_t otherwise) {
    for (std::size_t a = axis + 1; a-- > first;)
      if (const auto found = values.find(std::string{kind, axes[a]}); found != values.end()) return found->second;
    return otherwise;
  };
  ConvProblem& p = result.problem;
  const auto value = [&](const char* key, std::int64_t otherwise) {
    const auto found = values.find(key);
    return found != values.end() ? found->second : otherwise;
  };
  p.batch = value("mb", 2);
  p.groups = value("g", 1);
  p.in_channels = values["ic"];
  p.out_channels = values["oc"];
  for (std::size_t a = first; a < 3; ++a) {
    p.src[a] = size('i', a, -1);
    p.kernel[a] = size('k', a, -1);
    p.stride[a] = size('s', a, 1);
    p.dilation[a] = size('d', a, 0) + 1;
    if (p.src[a] < 1 || p.kernel[a] < 1 || p.stride[a] < 1) return fail("a size is missing, or 0");
    const std::int64_t extent = (p.kernel[a] - 1) * p.dilation[a] + 1, dst = size('o', a, -1), pad = size('p', a, -1);
    p.pad_low[a] = p.pad_high[a] = pad < 0 ? 0 : pad;
    if (dst < 0) continue;
    // As much at the end as at the start, where that gives the same output; else what the output needs.
    const std::int64_t total = (dst - 1) * p.stride[a] + extent - p.src[a];
    if (pad < 0) p.pad_low[a] = p.pad_high[a] = std::max<std::int64_t>(total, 0) / 2;
    const std::int64_t padded = p.src[a] + 2 * p.pad_low[a] - extent;
    if (padded < 0 || padded / p.stride[a] + 1 != dst) p.pad_high[a] = std::max<std::int64_t>(total - p.pad_low[a], 0);
    if (p.src[a] + p.pad_low[a] + p.pad_high[a] < extent || dst_size(p)[a] != dst)
      return fail("its output size does not follow from the others");
  }
  if (const Status status = validate(p); !status) return fail(status.message());
  return result;
}

}  // namespace tapwise::bench
