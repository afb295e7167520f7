# The optional module tapwise._cuda: its own copy of the CUDA runtime, so that it loads on machines without a driver.

# What is missing ends a build that asks for CUDA, and the others go on without.
macro(tapwise_without_cuda reason)
  if(TAPWISE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "TAPWISE_CUDA=ON, but ${reason}")
  endif()
  message(STATUS "Building without CUDA: ${reason}")
  return()
endmacro()

if(CMAKE_VERSION VERSION_LESS 3.26)
  tapwise_without_cuda("CMake ${CMAKE_VERSION} is older than 3.26, which knows C++20 in CUDA")
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  tapwise_without_cuda("no nvcc was found")
endif()

# Machine code for what asynchronous copies need (8.0) and newer, and for later devices the source that drivers compile.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90-real 100-real 120-real 80-virtual)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  tapwise_without_cuda("nvcc ${CMAKE_CUDA_COMPILER_VERSION} is older than 12.8")
endif()
find_package(CUDAToolkit REQUIRED)

# Apart from the module: where pip builds it, the path of pybind11 changes each time, and kernels compile for minutes.
file(GLOB TAPWISE_CUDA_SOURCES CONFIGURE_DEPENDS csrc/cuda/*.cpp csrc/cuda/*.cu)
add_library(tapwise_cuda STATIC ${TAPWISE_CUDA_SOURCES})
target_include_directories(tapwise_cuda PUBLIC csrc)
target_link_libraries(tapwise_cuda PUBLIC tapwise CUDA::cudart_static)
target_compile_options(tapwise_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--threads=2;--compress-mode=size>")
set_target_properties(tapwise_cuda PROPERTIES CUDA_VISIBILITY_PRESET hidden INTERPROCEDURAL_OPTIMIZATION OFF)

file(GLOB TAPWISE_CUDA_MODULE CONFIGURE_DEPENDS csrc/cuda/python/*.cpp)
pybind11_add_module(_cuda ${TAPWISE_CUDA_MODULE}
  csrc/python/arguments.cpp csrc/python/arrays.cpp csrc/python/dtypes.cpp csrc/python/explaining.cpp
  csrc/python/foreign.cpp csrc/python/geometry.cpp csrc/python/layout.cpp)
set_target_properties(_cuda PROPERTIES UNITY_BUILD ON)
target_link_libraries(_cuda PRIVATE tapwise_cuda)
target_link_options(_cuda PRIVATE -Wl,--exclude-libs,ALL)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_link_options(_cuda PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/python_module.map)
endif()
string(REPLACE ";" " " targets "${CMAKE_CUDA_ARCHITECTURES}")
target_compile_definitions(_cuda PRIVATE TAPWISE_CUDA_TARGETS="${targets}")
install(TARGETS _cuda LIBRARY DESTINATION tapwise)
