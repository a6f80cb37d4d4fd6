// Long work that holds no thread: a coroutine that is polled from time to time.
//
//   Job<int64_t> MinimumBytes(std::string device) {
//     std::vector<std::string> words = {"resize2fs", "-P", device};
//     CO_ASSIGN_OR_RETURN(std::string said, co_await RunToolJob(std::move(words)));
//     co_return ...;
//   }
//
// A job does nothing before its first Poll(). Poll() runs it as far as possible now; it waits (for
// a process, a moment, another job) between two Polls. Destroying a job ends the processes for
// which it waits, and destroys everything in its coroutine as at an ordinary end. One caller at a
// time per job.
//
// A coroutine takes its arguments by value, because the caller's objects may be gone when it
// continues. g++ 12 miscompiles braced lists within an expression that waits: name them first, as
// above.
#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"

namespace tallyman::agent::oci {

// The condition for which a job waits.
class Awaited {
 public:
  virtual ~Awaited() = default;
  virtual bool IsReady() = 0;
};

namespace job_detail {

// The innermost waiting coroutine of a job and its nested jobs.
struct Point {
  Awaited* awaited = nullptr;
  std::coroutine_handle<> resumes;
};

struct PromiseBase {
  Point* point = nullptr;
  std::coroutine_handle<> outer;

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) noexcept {
      auto outer = handle.promise().outer;
      return outer ? outer : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  // The project's functions do not throw; exceptions of a library are handled where it is called.
  void unhandled_exception() { std::terminate(); }
};

}  // namespace job_detail

template <class T>
class [[nodiscard]] Job {
 public:
  struct promise_type : job_detail::PromiseBase {
    std::optional<Result<T>> result;
    Job get_return_object() {
      return Job(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    void return_value(Result<T> value) { result.emplace(std::move(value)); }
  };

  Job(Job&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)),
        point_(std::exchange(other.point_, nullptr)) {}
  Job& operator=(Job&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(point_, other.point_);
    return *this;
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() {
    if (handle_) handle_.destroy();
  }

  // Continues the job; empty: it has not ended yet. REQUIRES: it has not returned its result
  // before.
  std::optional<Result<T>> Poll() {
    if (!point_) {
      point_ = std::make_unique<job_detail::Point>();
      handle_.promise().point = point_.get();
      point_->resumes = handle_;
    }
    while (!handle_.done()) {
      if (point_->awaited != nullptr && !point_->awaited->IsReady()) return std::nullopt;
      point_->awaited = nullptr;
      point_->resumes.resume();
    }
    return std::move(handle_.promise().result);
  }

  // A job that waits for this one.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> outer) noexcept {
    handle_.promise().point = outer.promise().point;
    handle_.promise().outer = outer;
    return handle_;
  }
  Result<T> await_resume() { return std::move(*handle_.promise().result); }

 private:
  explicit Job(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
  std::unique_ptr<job_detail::Point> point_;
};

// Waits until `Ready`, a callable that returns a bool, returns true.
template <class Ready>
class Await final : public Awaited {
 public:
  explicit Await(Ready ready) : ready_(std::move(ready)) {}
  bool IsReady() override { return ready_(); }

  bool await_ready() { return ready_(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    handle.promise().point->awaited = this;
    handle.promise().point->resumes = handle;
  }
  void await_resume() noexcept {}

 private:
  Ready ready_;
};

// Waits for this long.
inline auto Pause(std::chrono::milliseconds how_long) {
  const auto until = std::chrono::steady_clock::now() + how_long;
  return Await([until] { return std::chrono::steady_clock::now() >= until; });
}

}  // namespace tallyman::agent::oci

// RETURN_IF_ERROR and ASSIGN_OR_RETURN of coroutines.
#define CO_RETURN_IF_ERROR(expr)                                                  \
  do {                                                                            \
    if (auto status_ = (expr); !status_.has_value())                              \
      co_return ::std::unexpected<::tallyman::Error>(std::move(status_).error()); \
  } while (false)
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  CO_ASSIGN_OR_RETURN_IMPL(TALLYMAN_CONCAT(result_, __LINE__), lhs, expr)
#define CO_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)                            \
  auto result = (expr);                                                        \
  if (!result.has_value())                                                     \
    co_return ::std::unexpected<::tallyman::Error>(std::move(result).error()); \
  lhs = *std::move(result)
