// The door to Python, the same for every op: dspcore._cpu and dspcore._cuda are this file compiled
// once with the CPU kernels and once with the CUDA kernels. It knows no op and no torch header.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cctype>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dlpack_abi.hpp"
#include "registry.hpp"
#ifndef DSP_CUDA_MODULE
#include "dsp/threads.hpp"
#ifdef __linux__
#include <sys/mman.h>
#endif
#endif

namespace py = pybind11;

namespace {

#ifdef DSP_EMULATED_MODULE
constexpr std::int32_t kDevice = dlpack::kCpu;
constexpr std::array<const char*, 1> kIsaNames = {"emulated"};
#elif defined(DSP_CUDA_MODULE)
constexpr std::int32_t kDevice = dlpack::kCuda;
constexpr std::array<const char*, 1> kIsaNames = {"cuda"};
#else
constexpr std::int32_t kDevice = dlpack::kCpu;
constexpr std::array<const char*, 3> kIsaNames = {"baseline", "avx2", "avx512"};
#endif

const dlpack::ExchangeApi* api = nullptr;
dsp::Isa chosen = dsp::Isa::kBaseline;

bool supported(dsp::Isa isa) {
  if (dsp::kernels(isa).empty()) return false;
#if defined(__x86_64__) && !defined(DSP_CUDA_MODULE)
  if (isa == dsp::Isa::kV3) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (isa == dsp::Isa::kV4)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
  return isa == dsp::Isa::kBaseline;
}

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (int i = 0; i < int(kIsaNames.size()); ++i)
    if (supported(dsp::Isa(i))) names.emplace_back(kIsaNames[std::size_t(i)]);
  return names;
}

void set_isa(const std::string& name) {
  for (int i = 0; i < int(kIsaNames.size()); ++i) {
    if (name == kIsaNames[std::size_t(i)] && supported(dsp::Isa(i))) {
      chosen = dsp::Isa(i);
      return;
    }
  }
  throw std::invalid_argument("set_isa: this build or processor has no '" + name + "'; see isas()");
}

void use_exchange_api(const py::capsule& capsule) {
  const auto* table = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  if (table == nullptr) throw py::error_already_set();
  while (table != nullptr && table->version.major != 1) table = table->previous;
  if (table == nullptr) throw std::runtime_error("torch offers no DLPack 1.x exchange API; dspcore needs torch >= 2.10");
  api = table;
}

/// `device` is the index of the device that the tensors before this one were on; negative at first.
dsp::View view_of(py::handle object, int& device) {
  dsp::View view;
  if (object.is_none()) return view;
  dlpack::Tensor tensor;
  if (api->tensor_from_py_object(object.ptr(), &tensor) != 0) throw py::error_already_set();
  if (tensor.device.type != kDevice || (device >= 0 && tensor.device.id != device))
    throw std::invalid_argument("kernel call: a tensor is on another device");
  device = tensor.device.id;
  if (tensor.dtype.code != dlpack::kFloat || tensor.dtype.lanes != 1 || (tensor.dtype.bits != 32 && tensor.dtype.bits != 64))
    throw std::invalid_argument("kernel call: a tensor is neither float32 nor float64");
  if (tensor.ndim > dsp::kMaxDims) throw std::invalid_argument("kernel call: a tensor has too many dimensions");
  view.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  view.bits = tensor.dtype.bits;
  view.ndim = tensor.ndim;
  for (int i = 0; i < tensor.ndim; ++i) {
    view.size[i] = tensor.shape[i];
    view.stride[i] = tensor.strides[i];
  }
  return view;
}

/// Asks for huge pages under a big new output. Where torch takes it fresh from the system, touching it page by
/// page costs as much as filling it: the gradients of 64 partials per sample, 98 MB, took 77 ms before and 38 ms after,
/// forward pass included (Zen 4).
void prefer_huge_pages([[maybe_unused]] const dsp::View& view) {
#if defined(__linux__) && !defined(DSP_CUDA_MODULE)
  constexpr std::uintptr_t kPage = std::uintptr_t(1) << 21;
  std::int64_t bytes = view.data == nullptr ? 0 : view.bits / 8;
  for (int i = 0; i < view.ndim; ++i) bytes *= view.size[i];
  const auto begin = (reinterpret_cast<std::uintptr_t>(view.data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(view.data) + std::uintptr_t(bytes)) / kPage * kPage;
  if (bytes >= std::int64_t(4 * kPage) && end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

constexpr std::size_t kMaxViews = 48;

/// Float64 numbers that kernel `which` wants in a tensor after its others, for a scan along time.
std::int64_t scan_memory(int index, int which, const py::tuple& attrs, const py::args& tensors) {
  const dsp::KernelTable& table = dsp::kernels(chosen).at(std::size_t(index));
  const dsp::Memory memory = table.scan[which % 2];
  if (memory == nullptr) return 0;
  std::array<dsp::View, kMaxViews> views;
  int device = -1;
  for (std::size_t i = 0; i < tensors.size() && i < kMaxViews; ++i) views[i] = view_of(tensors[i], device);
  dsp::Call c;
  c.views = views.data();
  c.count = int(tensors.size());
  for (std::size_t i = 0; i < attrs.size() && i < dsp::kMaxAttrs; ++i) c.attrs[i] = attrs[i].cast<std::int64_t>();
  return memory(c, which >= 2);
}

/// Runs kernel `which` (0 forward, 1 backward, 2 and 3 the same on duals) of the op at `index`.
void call(int index, int which, int threads, std::uintptr_t stream, const py::tuple& attrs, const py::args& tensors) {
  if (api == nullptr) throw std::runtime_error("kernel call before use_exchange_api");
  const dsp::KernelTable& table = dsp::kernels(chosen).at(std::size_t(index));
  std::size_t expected = which % 2 == 0 ? std::size_t(table.arguments + table.results + table.workspaces)
                                        : std::size_t(2 * table.arguments + table.results + table.workspaces + table.scratches);
  if (which >= 2) expected *= 2;
  const bool scratch = table.scan[which % 2] != nullptr && tensors.size() == expected + 1;
  if ((tensors.size() != expected && !scratch) || expected > kMaxViews || attrs.size() > dsp::kMaxAttrs)
    throw std::invalid_argument(std::string(table.name) + ": kernel called with " + std::to_string(tensors.size()) +
                                " tensors, wants " + std::to_string(expected));
  std::array<dsp::View, kMaxViews> views;
  int device = -1;
  for (std::size_t i = 0; i < expected; ++i) views[i] = view_of(tensors[i], device);
  // What is written: results and workspaces after the arguments, or gradients, and scratches after what was kept.
  const auto written = [&](std::size_t end, int count) {
    for (std::size_t i = end - std::size_t(count); i < end; ++i) prefer_huge_pages(views[i]);
  };
  written(expected, which % 2 == 0 ? table.results + table.workspaces : table.arguments);
  if (which == 1) written(std::size_t(table.arguments + table.workspaces + table.scratches), table.scratches);
  dsp::Call c;
  c.views = views.data();
  c.count = int(expected);
  c.threads = threads;
  c.device = device;
  c.stream = reinterpret_cast<void*>(stream);
  if (scratch) c.scratch = view_of(tensors[expected], device);
  for (std::size_t i = 0; i < attrs.size(); ++i) c.attrs[i] = attrs[i].cast<std::int64_t>();
  const std::array<dsp::Kernel, 4> list = {table.forward, table.backward, table.forward_dual, table.backward_dual};
  const dsp::Kernel kernel = list.at(std::size_t(which));
  const py::gil_scoped_release released;
  try {
    kernel(c);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string(table.name) + ": " + error.what());
  }
}

#ifndef DSP_CUDA_MODULE
// --- plain calls: no derivative wanted, a small block, every microsecond counts --------------------------

/// The dimensions of one argument of a plain call: a digit is a size, a letter stands for one size in all
/// arguments. b and c may be 1 and are repeated then, where B and C may not; n is 1 or t.
struct Form {
  std::string dims;                              // one character each
  std::array<int, dsp::kMaxDims + 1> lead = {};  // by the dimensions that came: missing in front, or -1
};
struct Plan {
  int index;
  std::vector<Form> arguments;
};

/// Of the op at `index`: for every argument its dimensions and, by how many came, how many lack in front.
py::capsule plan(int index, const std::vector<std::tuple<std::string, std::map<int, int>>>& arguments) {
  auto made = std::make_unique<Plan>(Plan{index, {}});
  for (const auto& [dims, lead] : arguments) {
    Form form{dims, {}};
    form.lead.fill(-1);
    for (const auto& [came, missing] : lead) form.lead.at(std::size_t(came)) = missing;
    made->arguments.push_back(form);
  }
  return {made.release(), "dspcore.plan", [](void* gone) { delete static_cast<Plan*>(gone); }};
}

/// Gives the view all dimensions of its form; false where a size is another.
bool fit(const Form& form, std::array<std::int64_t, 256>& bound, dsp::View& view) {
  const int ndim = int(form.dims.size()), lead = view.ndim <= dsp::kMaxDims ? form.lead[std::size_t(view.ndim)] : -1;
  if (lead < 0) return false;
  dsp::View full = view;
  full.ndim = ndim;
  for (int i = 0; i < ndim; ++i) {
    const bool came = i >= lead && i < lead + view.ndim;
    const std::int64_t size = came ? view.size[i - lead] : 1;
    full.size[i] = size;
    full.stride[i] = came && size != 1 ? view.stride[i - lead] : 0;
    const char name = form.dims[std::size_t(i)];
    if (name >= '0' && name <= '9') {
      if (size != name - '0') return false;
      continue;
    }
    std::int64_t& known = bound[std::size_t(std::tolower(name))];
    if (name == 'n') {
      if (size != 1 && size != bound['t']) return false;
    } else if (known < 0) {
      known = size;
    } else if (size != known) {
      if (size != 1 || (name != 'b' && name != 'c')) return false;
      full.size[i] = known;
    }
  }
  view = full;
  return true;
}

/// plain(plan, threads, arguments..., results...): runs the forward kernel on arguments as a user gives
/// them and without workspaces. False, and nothing done, where anything does not fit: the caller's
/// slower way then says what.
PyObject* plain(PyObject*, PyObject* const* given, Py_ssize_t count) {
  try {
    const Plan& wanted = *static_cast<const Plan*>(PyCapsule_GetPointer(given[0], "dspcore.plan"));
    const dsp::KernelTable& table = dsp::kernels(chosen)[std::size_t(wanted.index)];
    const int n = table.arguments, all = n + table.results;
    std::array<dsp::View, 16> views;
    if (count != 2 + all || all + table.workspaces > int(views.size())) Py_RETURN_FALSE;
    std::array<std::int64_t, 256> bound;
    bound.fill(-1);
    int device = -1;
    for (int i = 0; i < all; ++i) {
      views[std::size_t(i)] = view_of(given[2 + i], device);
      dsp::View& view = views[std::size_t(i)];
      const bool left_out = view.data == nullptr && given[2 + i] == Py_None;
      if (i >= n) prefer_huge_pages(view);
      else if (!left_out && !fit(wanted.arguments[std::size_t(i)], bound, view)) Py_RETURN_FALSE;
    }
    dsp::Call c;
    c.views = views.data();
    c.count = all + table.workspaces;
    c.threads = int(PyLong_AsLong(given[1]));
    c.device = device;
    {
      const py::gil_scoped_release released;
      table.forward(c);
    }
    Py_RETURN_TRUE;
  } catch (const std::exception&) {
    PyErr_Clear();
    Py_RETURN_FALSE;
  }
}
PyMethodDef plain_method = {"plain", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&plain)), METH_FASTCALL, nullptr};
#endif

std::vector<std::tuple<std::string, int, int, int, int>> ops() {
  std::vector<std::tuple<std::string, int, int, int, int>> list;
  for (const dsp::KernelTable& t : dsp::kernels(dsp::Isa::kBaseline))
    list.emplace_back(t.name, t.arguments, t.results, t.workspaces, t.scratches);
  return list;
}

/// Ops whose rows are divided along time: ask `scan_memory`.
std::vector<std::string> scans() {
  std::vector<std::string> list;
  for (const dsp::KernelTable& t : dsp::kernels(dsp::Isa::kBaseline))
    if (t.scan[0] != nullptr || t.scan[1] != nullptr) list.emplace_back(t.name);
  return list;
}

}  // namespace

PYBIND11_MODULE(DSP_MODULE, m) {
  m.doc() = "Kernels of dspcore. Use dspcore.ops.";
  for (int i = 0; i < int(kIsaNames.size()); ++i)
    if (supported(dsp::Isa(i))) chosen = dsp::Isa(i);
  const std::vector<dsp::KernelTable>& portable = dsp::kernels(dsp::Isa::kBaseline);
  m.attr("chunk") = portable.empty() ? 0 : portable.front().chunk;
  m.def("ops", &ops, "(name, arguments, results, workspaces, scratches) of every op, in the order of their indices.");
  m.def("scans", &scans, "Names of the ops that want memory for a scan along time.");
  m.def("scan_memory", &scan_memory, "How many float64 numbers a call wants for it, in a tensor after its others.");
  m.def("isas", &isas, "Instruction sets that this build has and this processor runs.");
  m.def("isa", [] { return std::string(kIsaNames[std::size_t(chosen)]); }, "The instruction set in use.");
  m.def("set_isa", &set_isa, "Use another one of isas(), for tests.");
  m.def("use_exchange_api", &use_exchange_api, "Takes torch.Tensor.__dlpack_c_exchange_api__.");
  m.def("call", &call, "Runs one kernel.");
#ifndef DSP_CUDA_MODULE
  m.def("plan", &plan, "What `plain` has to know of an op.");
  m.def("lanes", [](int bits) { return (16 << int(chosen)) * 8 / bits; }, "Rows side by side in the instruction set in use.");
  m.attr("plain") = py::reinterpret_steal<py::object>(PyCFunction_NewEx(&plain_method, nullptr, nullptr));
  m.def("thread_backend", &dsp::thread_backend, "Where the threads come from.");
#endif
}
