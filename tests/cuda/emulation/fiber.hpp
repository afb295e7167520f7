// Fibers: functions with stacks of their own that hand control back and forth with a scheduler on one host thread.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>

#include "sanitizers.hpp"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace tapwise::emulation {

#if defined(__x86_64__)
// glibc's swapcontext makes a system call for the signal mask at every switch, which no kernel here needs. What the
// System V ABI has a function preserve goes on the stack; a context is the stack pointer below it.
using Context = void*;

__attribute__((naked, noinline)) inline void switch_context([[maybe_unused]] Context* from,
                                                            [[maybe_unused]] Context* to) {
  asm volatile(
      "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
      "movq %rsp, (%rdi)\n\tmovq (%rsi), %rsp\n\t"
      "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
      "ret");
}

inline void make_context(Context& context, std::span<std::byte> stack, void (*entry)()) {
  // From the top: a null return address that ends backtraces, the address `ret` takes, six registers. `entry` finds
  // the stack as a call leaves it, 8 bytes below a multiple of 16.
  auto* const top = reinterpret_cast<std::uintptr_t*>(stack.data() + stack.size());
  for (int i = 1; i <= 8; ++i) top[-i] = 0;
  top[-2] = reinterpret_cast<std::uintptr_t>(entry);
  context = top - 8;
}
#else
using Context = ucontext_t;

inline void switch_context(Context* from, Context* to) { swapcontext(from, to); }

inline void make_context(Context& context, std::span<std::byte> stack, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack.data();
  context.uc_stack.ss_size = stack.size();
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}
#endif

// Stacks of kStackBytes, each above a page that cannot be touched.
class StackArena {
 public:
  explicit StackArena(std::size_t count) : count_(count) {
    void* const memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
    for (std::size_t i = 0; i < count; ++i) mprotect(base_ + i * kStride, kGuardBytes, PROT_NONE);
  }
  ~StackArena() { munmap(base_, bytes()); }
  StackArena(const StackArena&) = delete;
  StackArena& operator=(const StackArena&) = delete;

  std::size_t count() const { return count_; }
  std::span<std::byte> operator[](std::size_t i) const { return {base_ + i * kStride + kGuardBytes, kStackBytes}; }

 private:
  static constexpr std::size_t kGuardBytes = 4096;
  static constexpr std::size_t kStride = kGuardBytes + kStackBytes;
  std::size_t bytes() const { return count_ * kStride; }

  std::size_t count_;
  std::byte* base_ = nullptr;
};

class Fiber {
 public:
  using Body = void (*)(void*);

  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // `body` must not let an exception out. `identity` is the thread that ThreadSanitizer takes the fiber for.
  void start(std::span<std::byte> stack, Body body, void* argument, void* identity) {
    stack_ = stack;
    body_ = body;
    argument_ = argument;
    identity_ = identity;
    make_context(context_, stack, &Fiber::enter);
  }

  // Runs the fiber until it suspends itself or its body returns.
  void resume() {
    running() = this;
    caller_identity_ = tsan::current_fiber();
    void* fake_stack = nullptr;
    asan::start_switch(&fake_stack, stack_.data(), stack_.size());
    tsan::switch_to(identity_);
    switch_context(&caller_, &context_);
    asan::finish_switch(fake_stack, nullptr, nullptr);
  }

  // Called on the fiber: back to whoever resumed it.
  void suspend() {
    void* fake_stack = nullptr;
    asan::start_switch(&fake_stack, caller_bottom_, caller_bytes_);
    tsan::switch_to(caller_identity_);
    switch_context(&context_, &caller_);
    asan::finish_switch(fake_stack, &caller_bottom_, &caller_bytes_);
  }

 private:
  static Fiber*& running() {
    static constinit thread_local Fiber* fiber = nullptr;
    return fiber;
  }

  [[noreturn]] static void enter() {
    Fiber* const self = running();
    asan::finish_switch(nullptr, &self->caller_bottom_, &self->caller_bytes_);
    self->body_(self->argument_);
    asan::start_switch(nullptr, self->caller_bottom_, self->caller_bytes_);
    tsan::switch_to(self->caller_identity_);
    switch_context(&self->context_, &self->caller_);
    std::abort();
  }

  Context context_{};
  Context caller_{};
  std::span<std::byte> stack_;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  void* identity_ = nullptr;
  void* caller_identity_ = nullptr;
  const void* caller_bottom_ = nullptr;
  std::size_t caller_bytes_ = 0;
};

}  // namespace tapwise::emulation
