// Errors as values. Core never throws across a thread or a room: a function that can fail returns a
// Status, or a Result<T> that holds either a Status or a value.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace sentinode {

// `code` is one of the stable names in src/errors.ts ("" = ok); `message` may reach a client, so it
// holds what was expected and what was found and nothing of a request's content.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(std::string code, std::string message)
      : code_(std::move(code)), message_(std::move(message)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_.empty(); }
  const std::string& code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  std::string code_;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  T& value() { return *value_; }
  const T& value() const { return *value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace sentinode

#define SENTINODE_RETURN_IF_ERROR(expression)                                      \
  do {                                                                             \
    if (::sentinode::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)
