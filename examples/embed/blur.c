/* The C header: a blur whose weights are packed once, on frames of a film with channels last. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <tapwise/tapwise.h>

enum { kHeight = 90, kWidth = 120, kChannels = 3, kTaps = 5, kFrames = 10 };

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, tapwise_last_error());
  return 1;
}

int main(void) {
  static float frame[kHeight * kWidth * kChannels], blurred[kHeight * kWidth * kChannels];
  static float weights[kChannels * kTaps * kTaps];
  const int64_t image[5] = {1, kChannels, 1, kHeight, kWidth}, filters[5] = {kChannels, 1, 1, kTaps, kTaps};

  /* A filter for each channel: as many groups as channels. */
  tapwise_problem problem = TAPWISE_PROBLEM_INIT;
  problem.in_channels = problem.out_channels = problem.groups = kChannels;
  problem.src[1] = kHeight, problem.src[2] = kWidth;
  problem.kernel[1] = problem.kernel[2] = kTaps;
  problem.pad_low[1] = problem.pad_low[2] = problem.pad_high[1] = problem.pad_high[2] = kTaps / 2;

  double sum = 0;
  for (int y = 0; y < kTaps; ++y)
    for (int x = 0; x < kTaps; ++x) sum += exp(-0.5 * ((y - 2) * (y - 2) + (x - 2) * (x - 2)));
  for (int c = 0; c < kChannels; ++c)
    for (int y = 0; y < kTaps; ++y)
      for (int x = 0; x < kTaps; ++x)
        weights[(c * kTaps + y) * kTaps + x] = (float)(exp(-0.5 * ((y - 2) * (y - 2) + (x - 2) * (x - 2))) / sum);

  const tapwise_tensor src = tapwise_dense(frame, TAPWISE_FLOAT32, image, 1);
  const tapwise_tensor dst = tapwise_dense(blurred, TAPWISE_FLOAT32, image, 1);
  const tapwise_tensor bank = tapwise_dense(weights, TAPWISE_FLOAT32, filters, 0);
  tapwise_plan* plan = NULL;
  if (tapwise_plan_create(TAPWISE_FLOAT32, &problem, &src, &dst, 0, &plan) != TAPWISE_OK) return fail("plan");
  if (tapwise_plan_update(plan, &bank, NULL) != TAPWISE_OK) return fail("weights");

  for (int n = 0; n < kFrames; ++n) {
    for (int i = 0; i < kHeight * kWidth * kChannels; ++i) frame[i] = (float)((i * 7919 + n) % 256) / 255;
    if (tapwise_plan_run(plan, &src, &dst, NULL) != TAPWISE_OK) return fail("run");
  }
  tapwise_plan_destroy(plan);

  /* A blur keeps the mean, but for what it takes from beyond the border, and flattens the rest. */
  double mean[2] = {0, 0}, variance[2] = {0, 0};
  for (int i = 0; i < kHeight * kWidth * kChannels; ++i) mean[0] += frame[i], mean[1] += blurred[i];
  for (int k = 0; k < 2; ++k) mean[k] /= kHeight * kWidth * kChannels;
  for (int i = 0; i < kHeight * kWidth * kChannels; ++i) {
    variance[0] += (frame[i] - mean[0]) * (frame[i] - mean[0]);
    variance[1] += (blurred[i] - mean[1]) * (blurred[i] - mean[1]);
  }
  printf("tapwise %s: mean %.3f -> %.3f, deviation %.2f of what it was\n", tapwise_version(), mean[0], mean[1],
         sqrt(variance[1] / variance[0]));
  return fabs(mean[1] - mean[0]) < 0.05 && variance[1] < variance[0] ? 0 : 1;
}
