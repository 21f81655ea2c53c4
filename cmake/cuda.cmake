# dspcore._cuda: the same ops, compiled by nvcc. Machine code for Turing, Ampere (which Ada runs too) and Hopper, and PTX that newer
# GPUs compile when they first load it: all from one PTX, as no kernel asks what it is compiled for, so the front end works once.
# The CUDA runtime is linked in, so the module imports without one.
set(DSPCORE_CUDA_CODE "compute_75,sm_75,sm_80,sm_90" CACHE STRING "What one PTX of compute_75 becomes, where CMAKE_CUDA_ARCHITECTURES is not given")
set(DSPCORE_CUDA_GENCODE "")
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  set(DSPCORE_CUDA_GENCODE "-gencode=arch=compute_75,code=[${DSPCORE_CUDA_CODE}]")
endif()
option(DSPCORE_CUDA_REPORT "Print registers, stack and spills of every kernel; see bench/cuda_registers.py" OFF)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)

if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
  set(_too_old "dspcore._cuda needs nvcc 12.0 or newer for C++20, found ${CMAKE_CUDA_COMPILER_VERSION}")
  if(DSPCORE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "${_too_old}")
  endif()
  message(WARNING "${_too_old}: only the CPU kernels are built")
  return()
endif()

pybind11_add_module(_cuda MODULE NO_EXTRAS bindings/module.cpp bindings/registry.cpp)
target_include_directories(_cuda PRIVATE csrc bindings)
target_compile_definitions(_cuda PRIVATE DSP_MODULE=_cuda DSP_CUDA_MODULE)
target_compile_options(_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CXX>:${DSPCORE_OPTIONS}>"
  # 177: a function of a header that one op does not use.
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wno-unused-function,-fno-math-errno;-diag-suppress=177;-Xfatbin=-compress-all>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${DSPCORE_CUDA_GENCODE}>"
  # A kernel whose registers ran out is a warning, and with DSPCORE_WERROR an error.
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=--warn-on-spills>"
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DSPCORE_WERROR}>>:-Werror=all-warnings>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DSPCORE_CUDA_REPORT}>>:-Xptxas=-v>)
set_target_properties(_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_VISIBILITY_PRESET hidden)
dspcore_kernels(_cuda .cu)
install(TARGETS _cuda LIBRARY DESTINATION dspcore)
