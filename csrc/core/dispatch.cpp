#include "dispatch.hpp"

#include <cstdlib>
#include <cstring>

#include "tapwise/isa.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

#if !defined(TAPWISE_HEADER_ONLY)

// One table per ISA file; see kernels/isa-inl.hpp. To add one, name it here and in CMakeLists.txt.
#define TAPWISE_DECLARE_TABLE(isa)      \
  namespace isa {                       \
  extern const kernels::IsaTable table; \
  }
TAPWISE_DECLARE_TABLE(scalar)
TAPWISE_DECLARE_TABLE(avx2)
TAPWISE_DECLARE_TABLE(avx512)
TAPWISE_DECLARE_TABLE(neon)
#undef TAPWISE_DECLARE_TABLE

#endif

inline namespace TAPWISE_PRIVATE {
inline bool always() noexcept { return true; }

// The compiler's own detection looks at CPUID and at what the operating system saves (XGETBV).
#if defined(TAPWISE_HAVE_AVX2)
inline bool cpu_has_avx2() noexcept { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#if defined(TAPWISE_HAVE_AVX512)
inline bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif

struct Isa {
  const kernels::IsaTable* table;
  bool (*usable)() noexcept;
};

// Best first.
inline constexpr Isa kIsas[] = {
#if defined(TAPWISE_HAVE_AVX512)
    {&avx512::table, cpu_has_avx512},
#endif
#if defined(TAPWISE_HAVE_AVX2)
    {&avx2::table, cpu_has_avx2},
#endif
#if defined(TAPWISE_HAVE_NEON)
    {&neon::table, always},
#endif
#if defined(TAPWISE_HEADER_ONLY)
    {&TAPWISE_NATIVE_ISA::table, always},
#else
    {&scalar::table, always},
#endif
};

struct Choice {
  const kernels::IsaTable* table = nullptr;
  Status status;
};

inline Choice choose() noexcept {
  const char* wanted = std::getenv("TAPWISE_ISA");
  if (wanted == nullptr || *wanted == '\0') {
    for (const Isa& isa : kIsas)
      if (isa.usable()) return {isa.table, {}};
  }
  char names[128] = "";
  for (const Isa& isa : kIsas) {
    if (!isa.usable()) continue;
    if (std::strcmp(isa.table->name, wanted) == 0) return {isa.table, {}};
    if (*names != '\0') std::strncat(names, ", ", sizeof names - std::strlen(names) - 1);
    std::strncat(names, isa.table->name, sizeof names - std::strlen(names) - 1);
  }
  return {nullptr, Status::error(Code::unsupported, "TAPWISE_ISA is \"%s\"; this machine can use: %s", wanted, names)};
}

inline const Choice& choice() noexcept {
  static const Choice decided = choose();
  return decided;
}

}  // namespace TAPWISE_PRIVATE

const kernels::IsaTable* active_table(Status& status) noexcept {
  const Choice& c = choice();
  if (c.table == nullptr) status = c.status;
  return c.table;
}

std::size_t built_isas(const char** names, std::size_t capacity) noexcept {
  std::size_t count = 0;
  for (const Isa& isa : kIsas) {
    if (count < capacity) names[count] = isa.table->name;
    ++count;
  }
  return count;
}

bool isa_usable(const char* name) noexcept {
  for (const Isa& isa : kIsas)
    if (std::strcmp(isa.table->name, name) == 0) return isa.usable();
  return false;
}

Status active_isa(const char** name) noexcept {
  Status status;
  if (const auto* table = active_table(status); table != nullptr) *name = table->name;
  return status;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
