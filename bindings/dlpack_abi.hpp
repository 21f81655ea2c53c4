// The part of the DLPack 1.x ABI that reads a tensor's address and layout in a fraction of a
// microsecond, declared here because no torch header may enter the build. See dmlc/dlpack, dlpack.h.
#pragma once

#include <cstdint>

namespace dlpack {

constexpr std::int32_t kCpu = 1, kCuda = 2;
constexpr std::uint8_t kFloat = 2;

struct Tensor {
  void* data;
  struct {
    std::int32_t type, id;
  } device;
  std::int32_t ndim;
  struct {
    std::uint8_t code, bits;
    std::uint16_t lanes;
  } dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

struct ExchangeApi {
  struct {
    std::uint32_t major, minor;
  } version;
  const ExchangeApi* previous;
  void* managed_tensor_allocator;
  void* managed_tensor_from_py_object;
  void* managed_tensor_to_py_object;
  int (*tensor_from_py_object)(void* object, Tensor* out);
  void* current_work_stream;
};

}  // namespace dlpack
