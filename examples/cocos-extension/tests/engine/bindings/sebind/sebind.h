// se:: and sebind::, as a plugin uses them. See ../../README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace se {

class Object;

class Value {
 public:
  Value() = default;
  Value(const Value &other);
  Value &operator=(const Value &other);
  explicit Value(bool value);
  explicit Value(std::uint32_t value);
  explicit Value(double value);
  explicit Value(const std::string &value);
  explicit Value(Object *object, bool auto_root_unroot = false);
  ~Value();

  void setUndefined();
  void setBoolean(bool value);
  void setUint32(std::uint32_t value);
  void setDouble(double value);
  void setString(const std::string &value);
  void setObject(Object *object, bool auto_root_unroot = false);

  bool isUndefined() const { return type_ == Type::Undefined; }
  bool isNullOrUndefined() const { return type_ == Type::Undefined || type_ == Type::Null; }
  bool isBoolean() const { return type_ == Type::Boolean; }
  bool isNumber() const { return type_ == Type::Number; }
  bool isString() const { return type_ == Type::String; }
  bool isObject() const { return type_ == Type::Object; }

  // Each stops the program where the value is of another type.
  bool toBoolean() const;
  std::uint32_t toUint32() const;
  double toDouble() const;
  const std::string &toString() const;
  Object *toObject() const;

 private:
  enum class Type { Undefined, Null, Number, Boolean, String, Object };
  Type type_ = Type::Undefined;
  double number_ = 0;
  std::string text_;
  Object *object_ = nullptr;
  bool rooting_ = false;
};

using ValueArray = std::vector<Value>;

class Object {
 public:
  void incRef();
  void decRef();
  void root();
  void unroot();
  bool isFunction() const;
  bool getProperty(const char *name, Value *value);
  bool setProperty(const char *name, const Value &value);
  bool call(const ValueArray &arguments, Object *this_object, Value *result = nullptr);

  struct Inside;
  explicit Object(std::unique_ptr<Inside> inside);
  Object(const Object &) = delete;
  Object &operator=(const Object &) = delete;
  Inside &inside() { return *inside_; }

 private:
  ~Object();
  std::unique_ptr<Inside> inside_;
};

class State {
 public:
  State(void *native, const ValueArray &arguments) : native_(native), arguments_(arguments) {}
  void *nativeThisObject() const { return native_; }
  const ValueArray &args() const { return arguments_; }
  Value &rval() { return result_; }

 private:
  void *native_;
  const ValueArray &arguments_;
  Value result_;
};

class AutoHandleScope {
 public:
  AutoHandleScope();
  ~AutoHandleScope();
  AutoHandleScope(const AutoHandleScope &) = delete;
  AutoHandleScope &operator=(const AutoHandleScope &) = delete;
};

class ScriptEngine {
 public:
  using RegisterCallback = bool (*)(Object *global);
  static ScriptEngine *getInstance();
  void addRegisterCallback(RegisterCallback callback);
  void addBeforeCleanupHook(const std::function<void()> &hook);
};

}  // namespace se

namespace sebind {

using Function = std::function<bool(se::State &)>;

// What the templates below need of the host.
namespace host {
struct Class;
Class *class_named(const char *name);
void set_constructor(Class *of, std::function<std::shared_ptr<void>()> make);
void add_function(Class *to, const char *name, Function function);
void install(Class *which, se::Object *where);
void wrong_argument_count(const char *name, std::size_t given, std::size_t expected);
}  // namespace host

namespace convert {
inline bool from(const se::Value &value, bool *to) { return *to = value.toBoolean(), true; }
inline bool from(const se::Value &value, double *to) { return *to = value.toDouble(), true; }
inline bool from(const se::Value &value, std::uint32_t *to) { return *to = value.toUint32(), true; }
inline bool from(const se::Value &value, std::string *to) { return *to = value.toString(), true; }
inline void into(bool value, se::Value &to) { to.setBoolean(value); }
inline void into(double value, se::Value &to) { to.setDouble(value); }
inline void into(std::uint32_t value, se::Value &to) { to.setUint32(value); }
inline void into(const std::string &value, se::Value &to) { to.setString(value); }
}  // namespace convert

template <typename T>
class class_ {
 public:
  explicit class_(const char *name) : class_of_(host::class_named(name)) {}

  class_ &function(const char *name, bool (*callback)(se::State &)) {
    host::add_function(class_of_, name, callback);
    return *this;
  }
  template <typename R, typename... Args>
  class_ &function(const char *name, R (T::*method)(Args...)) {
    return add<R, Args...>(name, method);
  }
  template <typename R, typename... Args>
  class_ &function(const char *name, R (T::*method)(Args...) const) {
    return add<R, Args...>(name, method);
  }

  bool install(se::Object *where) {
    host::set_constructor(class_of_, [] { return std::make_shared<T>(); });
    host::install(class_of_, where);
    return true;
  }

 private:
  template <typename R, typename... Args, typename Method>
  class_ &add(const char *name, Method method) {
    host::add_function(class_of_, name, [name = std::string(name), method](se::State &state) {
      if (state.args().size() != sizeof...(Args)) {
        host::wrong_argument_count(name.c_str(), state.args().size(), sizeof...(Args));
        return false;
      }
      call<R, Args...>(state, method, std::index_sequence_for<Args...>());
      return true;
    });
    return *this;
  }

  template <typename R, typename... Args, typename Method, std::size_t... I>
  static void call(se::State &state, Method method, std::index_sequence<I...>) {
    std::tuple<std::decay_t<Args>...> arguments;
    (void)(convert::from(state.args()[I], &std::get<I>(arguments)) && ...);
    auto *self = static_cast<T *>(state.nativeThisObject());
    if constexpr (std::is_void_v<R>) {
      (self->*method)(std::get<I>(arguments)...);
    } else {
      convert::into((self->*method)(std::get<I>(arguments)...), state.rval());
    }
  }

  host::Class *class_of_;
};

}  // namespace sebind
