// The part of CUDA that dsp/launch.hpp uses, on a CPU: included before a kernel's source, it lets the
// C++ compiler build the very code that nvcc builds. Blocks and threads run one after the other in a
// shuffled order, which is all that kernels without barriers and shared memory can tell from a GPU.
#pragma once

// What the kernels' sources include must not see the name that this header takes last.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#define __host__
#define __device__
#define __global__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline thread_local dim3 blockIdx, blockDim, threadIdx;

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9 };
using cudaStream_t = void*;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
};

inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid configuration argument";
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
  const unsigned blocks = config->gridDim.x, threads = config->blockDim.x;
  if (blocks == 0 || blocks > 0x7fffffffU || threads == 0 || threads > 1024) return cudaErrorInvalidConfiguration;
  std::vector<std::uint64_t> order(std::uint64_t(blocks) * threads);
  std::iota(order.begin(), order.end(), std::uint64_t(0));
  std::mt19937_64 random(blocks);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  blockDim = config->blockDim;
  for (const std::uint64_t place : order) {
    blockIdx.x = unsigned(place / threads);
    threadIdx.x = unsigned(place % threads);
    kernel(Parameters(arguments)...);
  }
  return cudaSuccess;
}

#define __CUDACC__
