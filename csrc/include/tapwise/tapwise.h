/* The library for C, and for every language that calls C.
 *
 * Structures begin with their size, which says what version of them a caller knows: initialise them with
 * TAPWISE_PROBLEM_INIT and TAPWISE_OPTIONS_INIT. Fields that are added later take their default for older callers.
 *
 * A view has five axes, always N (batch), C (channels), D, H, W, and for weights O, I / groups, KD, KH, KW; axes that a
 * problem does not have are of size 1. Strides are in bytes and may be anything. Results must not overlap operands.
 * Every function may be called from any number of threads; none throws, prints or ends the process (of OpenMP, where
 * threads run short, docs/embedding.md says more).
 */
#ifndef TAPWISE_H
#define TAPWISE_H

#include <stddef.h>
#include <stdint.h>

#if defined(TAPWISE_SHARED)
#define TAPWISE_C_FUNCTION __attribute__((visibility("default")))
#else
#define TAPWISE_C_FUNCTION
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* As tapwise::Code in tapwise/status.hpp. */
typedef enum tapwise_status {
  TAPWISE_OK = 0,
  TAPWISE_INVALID_ARGUMENT = 1,
  TAPWISE_OVERFLOW = 2,
  TAPWISE_UNSUPPORTED = 3,
  TAPWISE_OUT_OF_MEMORY = 4,
  TAPWISE_BAD_WORKSPACE = 5
} tapwise_status;

/* Integers, so that any value may arrive, and the wrong ones are refused. */
typedef int32_t tapwise_type;
enum { TAPWISE_FLOAT32 = 0, TAPWISE_FLOAT64 = 1 };

typedef int32_t tapwise_direction;
enum { TAPWISE_FORWARD = 0, TAPWISE_BACKWARD_DATA = 1, TAPWISE_BACKWARD_WEIGHTS = 2, TAPWISE_BACKWARD_BIAS = 3 };

/* The geometry of a convolution; as tapwise::ConvProblem in tapwise/problem.hpp. Spatial triples are D, H, W. */
typedef struct tapwise_problem {
  size_t struct_size;
  int64_t batch, in_channels, out_channels, groups;
  int64_t src[3], kernel[3], stride[3], dilation[3], pad_low[3], pad_high[3];
  int flip;
} tapwise_problem;
#define TAPWISE_PROBLEM_INIT \
  {sizeof(tapwise_problem), 1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 0}

typedef struct tapwise_tensor {
  void* data;
  int64_t shape[5], stride[5];
} tapwise_tensor;

/* One number for each channel, `stride` bytes apart. */
typedef struct tapwise_vector {
  void* data;
  int64_t stride;
} tapwise_vector;

/* As tapwise::Options in tapwise/operations.hpp and tapwise::ParallelFor in tapwise/parallel.hpp. */
typedef struct tapwise_options {
  size_t struct_size;
  int relu, accumulate, threads;
  void* workspace;
  int64_t workspace_bytes;
  void (*parallel_for)(void* context, int64_t items, int workers, void (*body)(void* state, int64_t item, int worker),
                       void* state);
  void* parallel_context;
  int workers;
  int through_relu;
} tapwise_options;
#define TAPWISE_OPTIONS_INIT {sizeof(tapwise_options), 0, 0, 0, NULL, 0, NULL, NULL, 1, 0}

/* The version of the library that runs, such as "0.1.0", and its ABI. */
TAPWISE_C_FUNCTION const char* tapwise_version(void);
TAPWISE_C_FUNCTION int tapwise_abi_version(void);

/* What went wrong in the calling thread's last call that did not return TAPWISE_OK: one sentence. */
TAPWISE_C_FUNCTION const char* tapwise_last_error(void);

/* A dense view: channels first (NCDHW) or last (NDHWC). */
TAPWISE_C_FUNCTION tapwise_tensor tapwise_dense(void* data, tapwise_type type, const int64_t shape[5],
                                                int channels_last);

/* TAPWISE_OK, or the first thing that is wrong with the geometry; then the size of dst along D, H, W. */
TAPWISE_C_FUNCTION tapwise_status tapwise_dst_size(const tapwise_problem* problem, int64_t size[3]);

/* The bytes of workspace that a call on views of these strides needs. Data is not looked at. */
TAPWISE_C_FUNCTION tapwise_status tapwise_workspace_size(tapwise_type type, const tapwise_problem* problem,
                                                         tapwise_direction direction, const tapwise_tensor* src,
                                                         const tapwise_tensor* dst, const tapwise_options* options,
                                                         int64_t* bytes);

/* dst = src * weights + bias. `bias` may be null, and so may `options` here and below. */
TAPWISE_C_FUNCTION tapwise_status tapwise_forward(tapwise_type type, const tapwise_problem* problem,
                                                  const tapwise_tensor* src, const tapwise_tensor* weights,
                                                  const tapwise_vector* bias, const tapwise_tensor* dst,
                                                  const tapwise_options* options);

/* The gradient by src; with a bias of in_channels numbers, the transposed convolution of diff_dst. */
TAPWISE_C_FUNCTION tapwise_status tapwise_backward_data(tapwise_type type, const tapwise_problem* problem,
                                                        const tapwise_tensor* diff_dst, const tapwise_tensor* weights,
                                                        const tapwise_vector* bias, const tapwise_tensor* diff_src,
                                                        const tapwise_options* options);

/* The gradient by the weights. */
TAPWISE_C_FUNCTION tapwise_status tapwise_backward_weights(tapwise_type type, const tapwise_problem* problem,
                                                           const tapwise_tensor* diff_dst, const tapwise_tensor* src,
                                                           const tapwise_tensor* diff_weights,
                                                           const tapwise_options* options);

/* The gradient by the bias: the sum of diff_dst over everything but its channels. */
TAPWISE_C_FUNCTION tapwise_status tapwise_backward_bias(tapwise_type type, const tapwise_tensor* diff_dst,
                                                        const tapwise_vector* diff_bias,
                                                        const tapwise_options* options);

/* All gradients in one call; those that are null are not wanted. `relu_dst` is null, or the result of a forward pass
 * with a ReLU: then diff_dst is the gradient by that, and the ReLU's gradient is taken on the way. */
TAPWISE_C_FUNCTION tapwise_status tapwise_backward(tapwise_type type, const tapwise_problem* problem,
                                                   const tapwise_tensor* diff_dst, const tapwise_tensor* src,
                                                   const tapwise_tensor* weights, const tapwise_tensor* relu_dst,
                                                   const tapwise_tensor* diff_src, const tapwise_tensor* diff_weights,
                                                   const tapwise_vector* diff_bias, const tapwise_options* options);

/* The same of a transposed convolution: diff_dst has the shape of tapwise_backward_data's diff_src, and src and
 * diff_src that of its diff_dst; diff_bias has in_channels numbers. */
TAPWISE_C_FUNCTION tapwise_status tapwise_transposed_backward(
    tapwise_type type, const tapwise_problem* problem, const tapwise_tensor* diff_dst, const tapwise_tensor* src,
    const tapwise_tensor* weights, const tapwise_tensor* diff_src, const tapwise_tensor* diff_weights,
    const tapwise_vector* diff_bias, const tapwise_options* options);

/* A forward pass with its weights packed once: as tapwise::Plan in tapwise/plan.hpp. The views give shapes and strides.
 */
typedef struct tapwise_plan tapwise_plan;
TAPWISE_C_FUNCTION tapwise_status tapwise_plan_create(tapwise_type type, const tapwise_problem* problem,
                                                      const tapwise_tensor* src, const tapwise_tensor* dst, int relu,
                                                      tapwise_plan** plan);
TAPWISE_C_FUNCTION tapwise_status tapwise_plan_update(tapwise_plan* plan, const tapwise_tensor* weights,
                                                      const tapwise_vector* bias);
TAPWISE_C_FUNCTION tapwise_status tapwise_plan_run(const tapwise_plan* plan, const tapwise_tensor* src,
                                                   const tapwise_tensor* dst, const tapwise_options* options);
TAPWISE_C_FUNCTION void tapwise_plan_destroy(tapwise_plan* plan);

/* The process-wide default number of threads; 0 restores the number of CPUs that the process may use. */
TAPWISE_C_FUNCTION void tapwise_set_num_threads(int threads);
TAPWISE_C_FUNCTION int tapwise_get_num_threads(void);

#ifdef __cplusplus
}
#endif

#endif /* TAPWISE_H */
