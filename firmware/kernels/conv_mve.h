/* Convolution with Helium (MVE): equal to conv.h, with the same order of pixels and overlap, for four output
 * channels or more and factors below 1. A pixel's window is gathered in scratch, with the input's zero point
 * where it reaches beyond the image, and multiplied as product_mve.h says, which also says how weights and
 * parameters lie: those of the zero point folded in serve all windows.
 *   scratch [y.taps][x.taps][in_channels] and MCU_CONV_MVE_BEHIND bytes more, which overlap nothing
 * No alignment. */
#ifndef MCU_CONV_MVE_H
#define MCU_CONV_MVE_H

#include <stdint.h>

#include "requantize.h"
#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MCU_CONV_MVE_BEHIND 15 /* rows are stored in whole vectors */

struct mcu_conv_s8_mve {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    struct mcu_axis y;
    struct mcu_axis x;
    int32_t in_channels;
    int32_t out_channels;
    int32_t in_zero_point;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *parameters;
};

void mcu_conv_s8_mve(const struct mcu_conv_s8_mve *layer, const int8_t *in, int8_t *out, int8_t *scratch);

#ifdef __cplusplus
}
#endif

#endif
