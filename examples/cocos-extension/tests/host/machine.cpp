#include "machine.h"

#include <quickjs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "plugins/bus/EventBus.h"

namespace {

struct Machine {
  JSRuntime *runtime = nullptr;
  JSContext *context = nullptr;
  se::Object *global = nullptr;
  std::string scripts, engine_module;
  std::vector<se::ScriptEngine::RegisterCallback> registering;
  std::vector<std::function<void()>> before_cleanup;
  // Objects that came into a call and go with it, unless somebody rooted them.
  std::vector<se::Object *> visitors;
  // How deep scripts and plugin are in each other; promises run at the bottom only, as V8 does it.
  int depth = 0;
  int rooted = 0;
};

Machine *machine = nullptr;
unsigned exception_count = 0, call_count = 0;
JSClassID native_class = 0;

std::vector<std::function<void(cc::plugin::ScriptEngineEvent)>> &bus() {
  static auto *listeners = new std::vector<std::function<void(cc::plugin::ScriptEngineEvent)>>();
  return *listeners;
}

void need_machine() {
  if (machine == nullptr) host::stop("there is no virtual machine at this time");
}

std::string text_of(JSValueConst value) {
  std::size_t length = 0;
  const char *text = JS_ToCStringLen(machine->context, &length, value);
  if (text == nullptr) return "(no text)";
  std::string copy(text, length);
  JS_FreeCString(machine->context, text);
  return copy;
}

void report_exception(const char *where) {
  JSValue exception = JS_GetException(machine->context);
  JSValue stack = JS_GetPropertyStr(machine->context, exception, "stack");
  ++exception_count;
  std::fprintf(stderr, "[script] %s: %s\n%s", where, text_of(exception).c_str(), JS_IsString(stack) ? text_of(stack).c_str() : "");
  JS_FreeValue(machine->context, stack);
  JS_FreeValue(machine->context, exception);
}

}  // namespace

namespace se {

struct Object::Inside {
  JSValue value;
  int references = 1;
  int roots = 0;
  bool visiting = true;
  bool alive = true;

  void use() const {
    need_machine();
    if (!alive) host::stop("an object of a script is used after its call, and was not rooted");
  }
  void let_go() {
    if (!alive || visiting || roots > 0) return;
    alive = false;
    JS_FreeValue(machine->context, value);
  }
};

Object::Object(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Object::~Object() = default;
void Object::incRef() { ++inside_->references; }

void Object::decRef() {
  if (--inside_->references > 0) return;
  if (inside_->alive && machine != nullptr) {
    inside_->visiting = false;
    inside_->roots = 0;
    inside_->let_go();
  }
  delete this;
}

void Object::root() {
  inside_->use();
  if (inside_->roots++ == 0) ++machine->rooted;
}

void Object::unroot() {
  if (!inside_->alive) return;
  need_machine();
  if (inside_->roots == 0) host::stop("an object is unrooted that was not rooted");
  if (--inside_->roots == 0) --machine->rooted;
  inside_->let_go();
}

// Takes over the reference to `value`.
static Object *visitor(JSValue value) {
  auto inside = std::make_unique<Object::Inside>();
  inside->value = value;
  auto *object = new Object(std::move(inside));
  machine->visitors.push_back(object);
  return object;
}

static Value value_from(JSValueConst value) {
  JSContext *context = machine->context;
  if (JS_IsBool(value)) return Value(JS_ToBool(context, value) != 0);
  if (JS_IsNumber(value)) {
    double number = 0;
    JS_ToFloat64(context, &number, value);
    return Value(number);
  }
  if (JS_IsString(value)) return Value(text_of(value));
  if (JS_IsObject(value)) return Value(visitor(JS_DupValue(context, value)));
  return Value();
}

static JSValue value_into(const Value &value) {
  JSContext *context = machine->context;
  if (value.isBoolean()) return JS_NewBool(context, value.toBoolean());
  if (value.isNumber()) return JS_NewFloat64(context, value.toDouble());
  if (value.isString()) return JS_NewStringLen(context, value.toString().data(), value.toString().size());
  if (!value.isObject()) return JS_UNDEFINED;
  Object::Inside &inside = value.toObject()->inside();
  inside.use();
  return JS_DupValue(context, inside.value);
}

// What visits during one call between scripts and plugin.
class Visit {
 public:
  Visit() : first_(machine->visitors.size()) { ++machine->depth; }
  ~Visit() {
    --machine->depth;
    const std::vector<Object *> leaving(machine->visitors.begin() + static_cast<std::ptrdiff_t>(first_), machine->visitors.end());
    machine->visitors.resize(first_);
    for (Object *object : leaving) {
      object->inside().visiting = false;
      object->inside().let_go();
      object->decRef();
    }
  }
  Visit(const Visit &) = delete;
  Visit &operator=(const Visit &) = delete;

 private:
  std::size_t first_;
};

bool Object::isFunction() const { return JS_IsFunction(machine->context, inside_->value); }

bool Object::getProperty(const char *name, Value *value) {
  inside_->use();
  JSValue found = JS_GetPropertyStr(machine->context, inside_->value, name);
  *value = value_from(found);
  const bool there = !JS_IsUndefined(found);
  JS_FreeValue(machine->context, found);
  return there;
}

bool Object::setProperty(const char *name, const Value &value) {
  inside_->use();
  return JS_SetPropertyStr(machine->context, inside_->value, name, value_into(value)) > 0;
}

bool Object::call(const ValueArray &arguments, Object *this_object, Value *result) {
  inside_->use();
  bool good = true;
  {
    Visit visit;
    ++call_count;
    std::vector<JSValue> values;
    for (const auto &argument : arguments) values.push_back(value_into(argument));
    JSValueConst self = this_object == nullptr ? JS_UNDEFINED : this_object->inside().value;
    JSValue function = JS_DupValue(machine->context, inside_->value);
    JSValue returned = JS_Call(machine->context, function, self, static_cast<int>(values.size()), values.data());
    JS_FreeValue(machine->context, function);
    for (JSValue value : values) JS_FreeValue(machine->context, value);
    if (JS_IsException(returned)) {
      report_exception("a call of the plugin");
      good = false;
    } else if (result != nullptr) {
      *result = value_from(returned);
    }
    JS_FreeValue(machine->context, returned);
  }
  if (machine->depth == 0) host::run_jobs();
  return good;
}

Value::Value(const Value &other) { *this = other; }
Value &Value::operator=(const Value &other) {
  if (this == &other) return *this;
  setUndefined();
  type_ = other.type_;
  number_ = other.number_;
  text_ = other.text_;
  if (other.object_ != nullptr) setObject(other.object_, other.rooting_);
  return *this;
}
Value::Value(bool value) { setBoolean(value); }
Value::Value(std::uint32_t value) { setUint32(value); }
Value::Value(double value) { setDouble(value); }
Value::Value(const std::string &value) { setString(value); }
Value::Value(Object *object, bool auto_root_unroot) { setObject(object, auto_root_unroot); }
Value::~Value() { setUndefined(); }

void Value::setUndefined() {
  if (object_ != nullptr) {
    if (rooting_) object_->unroot();
    object_->decRef();
    object_ = nullptr;
  }
  text_.clear();
  type_ = Type::Undefined;
}
void Value::setBoolean(bool value) {
  setUndefined();
  type_ = Type::Boolean;
  number_ = value ? 1 : 0;
}
void Value::setUint32(std::uint32_t value) { setDouble(value); }
void Value::setDouble(double value) {
  setUndefined();
  type_ = Type::Number;
  number_ = value;
}
void Value::setString(const std::string &value) {
  setUndefined();
  type_ = Type::String;
  text_ = value;
}
void Value::setObject(Object *object, bool auto_root_unroot) {
  object->incRef();
  if (auto_root_unroot) object->root();
  setUndefined();
  type_ = Type::Object;
  object_ = object;
  rooting_ = auto_root_unroot;
}

bool Value::toBoolean() const {
  if (!isBoolean()) host::stop("a value that is no boolean is read as one");
  return number_ != 0;
}
double Value::toDouble() const {
  if (!isNumber()) host::stop("a value that is no number is read as one");
  return number_;
}
std::uint32_t Value::toUint32() const {
  const double number = toDouble();
  if (!(number >= 0 && number <= 4294967295.0)) host::stop("a number out of range is read as uint32_t");
  return static_cast<std::uint32_t>(number);
}
const std::string &Value::toString() const {
  if (!isString()) host::stop("a value that is no string is read as one");
  return text_;
}
Object *Value::toObject() const {
  if (!isObject()) host::stop("a value that is no object is read as one");
  return object_;
}

AutoHandleScope::AutoHandleScope() { need_machine(); }
AutoHandleScope::~AutoHandleScope() = default;

ScriptEngine *ScriptEngine::getInstance() {
  static auto *engine = new ScriptEngine();
  return engine;
}
void ScriptEngine::addRegisterCallback(RegisterCallback callback) {
  need_machine();
  auto &registering = machine->registering;
  if (std::find(registering.begin(), registering.end(), callback) != registering.end()) host::stop("a callback is registered twice");
  registering.push_back(callback);
}
void ScriptEngine::addBeforeCleanupHook(const std::function<void()> &hook) {
  need_machine();
  machine->before_cleanup.push_back(hook);
}

}  // namespace se

namespace sebind {
namespace host {

// As the engine keeps it: over the lives of machines, with each function as often as it was added.
struct Class {
  std::string name;
  std::function<std::shared_ptr<void>()> make;
  std::vector<std::pair<std::string, std::vector<Function>>> functions;
  bool is_new = true;
};

static std::deque<Class> &classes() {
  static auto *all = new std::deque<Class>();
  return *all;
}

Class *class_named(const char *name) {
  for (auto &known : classes()) {
    if (known.name == name) return &known;
  }
  classes().push_back({name, {}, {}, true});
  return &classes().back();
}
void set_constructor(Class *of, std::function<std::shared_ptr<void>()> make) { of->make = std::move(make); }
void add_function(Class *to, const char *name, Function function) {
  for (auto &known : to->functions) {
    if (known.first == name) {
      known.second.push_back(std::move(function));
      return;
    }
  }
  to->functions.push_back({name, {std::move(function)}});
}
void wrong_argument_count(const char *name, std::size_t given, std::size_t expected) {
  ::host::stop(std::string(name) + " is called with " + std::to_string(given) + " arguments, not " + std::to_string(expected));
}

static JSValue construct(JSContext *context, JSValueConst new_target, int, JSValueConst *, int which) {
  JSValue prototype = JS_GetPropertyStr(context, new_target, "prototype");
  JSValue object = JS_NewObjectProtoClass(context, prototype, native_class);
  JS_FreeValue(context, prototype);
  JS_SetOpaque(object, new std::shared_ptr<void>(classes()[static_cast<std::size_t>(which)].make()));
  return object;
}

// Its data: which class, which function.
static JSValue invoke(JSContext *context, JSValueConst self, int count, JSValueConst *values, int, JSValue *data) {
  int which = 0, number = 0;
  JS_ToInt32(context, &which, data[0]);
  JS_ToInt32(context, &number, data[1]);
  auto *native = static_cast<std::shared_ptr<void> *>(JS_GetOpaque(self, native_class));
  const auto &[name, overloads] = classes()[static_cast<std::size_t>(which)].functions[static_cast<std::size_t>(number)];
  se::Visit visit;
  se::ValueArray arguments;
  for (int i = 0; i < count; ++i) arguments.push_back(se::value_from(values[i]));
  se::State state(native == nullptr ? nullptr : native->get(), arguments);
  for (const auto &overload : overloads) {
    if (overload(state)) return se::value_into(state.rval());
  }
  ::host::stop(name + " failed");
}

void install(Class *which, se::Object *where) {
  int index = 0;
  while (&classes()[static_cast<std::size_t>(index)] != which) ++index;
  JSContext *context = machine->context;
  JSValue constructor =
      JS_NewCFunctionMagic(context, construct, which->name.c_str(), 0, JS_CFUNC_constructor_magic, index);
  JSValue prototype = JS_NewObject(context);
  for (std::size_t i = 0; i < which->functions.size(); ++i) {
    JSValue data[] = {JS_NewInt32(context, index), JS_NewInt32(context, static_cast<int>(i))};
    JS_SetPropertyStr(context, prototype, which->functions[i].first.c_str(), JS_NewCFunctionData(context, invoke, 0, 0, 2, data));
  }
  JS_SetConstructor(context, constructor, prototype);
  JS_FreeValue(context, prototype);
  JS_SetPropertyStr(context, where->inside().value, which->name.c_str(), constructor);
}

}  // namespace host
}  // namespace sebind

namespace cc {
namespace plugin {
Listener::Listener(BusType) {}
Listener::~Listener() = default;
void Listener::receive_function(std::function<void(ScriptEngineEvent)> callback) { bus().push_back(std::move(callback)); }
}  // namespace plugin
}  // namespace cc

namespace host {

void stop(const std::string &why) {
  std::fprintf(stderr, "STOPPED: %s\n", why.c_str());
  std::exit(1);
}

static std::map<std::string, Native> &natives() {
  static auto *all = new std::map<std::string, Native>();
  return *all;
}

static JSValue call_native(JSContext *context, JSValueConst, int count, JSValueConst *values, int, JSValue *data) {
  std::vector<std::string> arguments;
  for (int i = 0; i < count; ++i) arguments.push_back(text_of(values[i]));
  const std::string answer = natives().at(text_of(data[0]))(arguments);
  return JS_NewStringLen(context, answer.data(), answer.size());
}

static char *normalize(JSContext *context, const char *base, const char *name, void *) {
  std::string path = name;
  if (path == "cc") {
    path = machine->engine_module;
  } else if (!path.empty() && path[0] == '.') {
    std::vector<std::string> parts;
    const std::string from = base;
    std::istringstream words(from.substr(0, from.rfind('/')) + "/" + path + ".js");
    for (std::string part; std::getline(words, part, '/');) {
      if (part == "..") parts.pop_back();
      else if (part != ".") parts.push_back(part);
    }
    path.clear();
    for (const auto &part : parts) path += (path.empty() ? "" : "/") + part;
    if (from[0] == '/' && path[0] != '/') path = "/" + path;
  }
  return js_strdup(context, path.c_str());
}

static std::string read(const std::string &path) {
  std::ifstream file(path);
  if (!file) stop(path + " cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

static JSModuleDef *load(JSContext *context, const char *name, void *) {
  const std::string source = read(name);
  JSValue compiled = JS_Eval(context, source.c_str(), source.size(), name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(compiled)) return nullptr;
  auto *module = static_cast<JSModuleDef *>(JS_VALUE_GET_PTR(compiled));
  JS_FreeValue(context, compiled);
  return module;
}

static void unhandled(JSContext *, JSValueConst, JSValueConst reason, bool is_handled, void *) {
  // One that is handled later in the same run is told as well; only the stories' own ends are looked at.
  if (!is_handled) std::fprintf(stderr, "[script] rejected, nobody listens yet: %s\n", text_of(reason).c_str());
}

void start_machine(const std::string &scripts, const std::string &engine_module) {
  if (machine != nullptr) stop("a virtual machine runs already");
  machine = new Machine();
  machine->scripts = scripts;
  machine->engine_module = engine_module;
  machine->runtime = JS_NewRuntime();
  machine->context = JS_NewContext(machine->runtime);
  JS_SetModuleLoaderFunc(machine->runtime, normalize, load, nullptr);
  JS_SetHostPromiseRejectionTracker(machine->runtime, unhandled, nullptr);
  JS_NewClassID(machine->runtime, &native_class);
  JSClassDef definition = {};
  definition.class_name = "Native";
  definition.finalizer = [](JSRuntime *, JSValueConst value) { delete static_cast<std::shared_ptr<void> *>(JS_GetOpaque(value, native_class)); };
  JS_NewClass(machine->runtime, native_class, &definition);

  JSValue global = JS_GetGlobalObject(machine->context);
  JSValue functions = JS_NewObject(machine->context);
  for (const auto &[name, native] : natives()) {
    JSValue data[] = {JS_NewString(machine->context, name.c_str())};
    JS_SetPropertyStr(machine->context, functions, name.c_str(), JS_NewCFunctionData(machine->context, call_native, 0, 0, 1, data));
    JS_FreeValue(machine->context, data[0]);
  }
  JS_SetPropertyStr(machine->context, global, "host", functions);
  for (const auto &listener : bus()) listener(cc::plugin::ScriptEngineEvent::POST_INIT);
  {
    se::Visit visit;
    se::Object *object = se::visitor(global);
    for (const auto &callback : std::exchange(machine->registering, {})) {
      if (!callback(object)) stop("a plugin could not be registered");
    }
  }
}

void end_machine() {
  need_machine();
  for (const auto &hook : machine->before_cleanup) hook();
  if (machine->rooted != 0) stop(std::to_string(machine->rooted) + " values of scripts are still rooted as the virtual machine goes");
  JS_FreeContext(machine->context);
  // Ends the program when a value of a script is left that nobody can give back.
  JS_FreeRuntime(machine->runtime);
  delete std::exchange(machine, nullptr);
}

bool machine_runs() { return machine != nullptr; }

void define(const char *name, Native function) { natives()[name] = std::move(function); }

void run_module(const std::string &name) {
  need_machine();
  const std::string path = machine->scripts + "/" + name + ".js";
  const std::string source = read(path);
  JSValue result;
  {
    se::Visit visit;
    result = JS_Eval(machine->context, source.c_str(), source.size(), path.c_str(), JS_EVAL_TYPE_MODULE);
  }
  if (JS_IsException(result)) {
    report_exception(path.c_str());
    stop(path + " could not be run");
  }
  JS_FreeValue(machine->context, result);
  run_jobs();
}

void run_jobs() {
  JSContext *context = nullptr;
  ++machine->depth;
  for (int job = 0; (job = JS_ExecutePendingJob(machine->runtime, &context)) != 0;) {
    if (job < 0) report_exception("a promise");
  }
  --machine->depth;
}

unsigned exceptions() { return exception_count; }
unsigned calls() { return call_count; }

}  // namespace host
