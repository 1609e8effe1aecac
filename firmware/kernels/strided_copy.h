/* Copies a strided part of a tensor into a dense one, int8, portable: the specification of strided_copy_s8*.
 * Serves STRIDED_SLICE (a cut, any step, backwards too) and TRANSPOSE.
 *   in [...]   out [outer.count][middle.count][inner.count][run]
 * out[o][m][i][r] = in[start + o * outer.step + m * middle.step + i * inner.step + r]
 * The compiler has joined axes that follow each other in memory, and checked that every index lies inside
 * the input.
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * Spec: TFLite STRIDED_SLICE, TRANSPOSE, which keep scale and zero point. */
#ifndef MCU_STRIDED_COPY_H
#define MCU_STRIDED_COPY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_copy_axis {
    int32_t count;
    int32_t step; /* bytes, may be negative */
};

struct mcu_strided_copy_s8 {
    int32_t start; /* bytes from the input's begin to the first one that is copied */
    struct mcu_copy_axis outer;
    struct mcu_copy_axis middle;
    struct mcu_copy_axis inner;
    int32_t run; /* bytes that follow each other in both tensors */
};

void mcu_strided_copy_s8(const struct mcu_strided_copy_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
