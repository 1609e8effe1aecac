/* Average pooling, int8, portable: the specification of average_pool_s8*.
 *   in [y.in_size][x.in_size][channels]   out [y.out_size][x.out_size][channels]
 * Byte arrays, no alignment, no scratch. out may overlap in as long as no output pixel lies on input that
 * its own window or a later pixel's reads: pixel_order.h. Input and output share scale and zero point. The
 * average is over the taps inside the input, rounded to nearest, ties away from zero.
 * Bound: a window has at most 2^22 taps (the compiler refuses more), so that the sum is within 2^29.
 * Spec: TFLite int8 quantization, AVERAGE_POOL_2D. */
#ifndef MCU_AVERAGE_POOL_H
#define MCU_AVERAGE_POOL_H

#include <stdint.h>

#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_average_pool_s8 {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    struct mcu_axis y;
    struct mcu_axis x;
    int32_t channels;
    int32_t out_min; /* activation's range within int8 */
    int32_t out_max;
};

void mcu_average_pool_s8(const struct mcu_average_pool_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
