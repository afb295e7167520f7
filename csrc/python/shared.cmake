# The bindings that the modules for the CPU and for CUDA, and its emulation in the tests, have in common.
set(TAPWISE_SHARED_BINDINGS arguments arrays dtypes explaining foreign geometry layout)
list(TRANSFORM TAPWISE_SHARED_BINDINGS PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
list(TRANSFORM TAPWISE_SHARED_BINDINGS APPEND .cpp)
