/* In which order a kernel runs over its output pixels, and how far an output may overlap its input.
 *
 * Kernels with a member `descending` run from the first output pixel to the last where it is 0, from the
 * last to the first where it is 1. While a pixel is computed, all its outputs are written and its window of
 * the input is read again for each few of them; nothing else of either is touched. Hence out may overlap in
 * as long as no output pixel lies on inputs that its own window or a later pixel's (in running order) reads:
 *   ascending, out below in: for every p, the end of output pixel p is at most the lowest address that the
 *     windows of pixels p, p + 1, ... read;
 *   descending, out above in: for every p, the begin of output pixel p is at least the end of the highest
 *     pixel that the windows of pixels p, p - 1, ... read.
 * Kernels by channel (depthwise of multiplier 1, pools) have read a channel's inputs before they write it.
 * Where out - in is a multiple of their channel count, a pixel may lie on its own window, too: both rules
 * hold for them without "p" itself.
 * This is diagonal memory optimisation, arXiv 2010.01668, with pixels as elements. */
#ifndef MCU_PIXEL_ORDER_H
#define MCU_PIXEL_ORDER_H

#include <stdint.h>

#include "inline.h"

/* The index among count that is number step in running order. */
MCU_INLINE int32_t mcu_in_order(int32_t step, int32_t count, int32_t descending) {
    return descending ? count - 1 - step : step;
}

/* Where, from the output's begin, the first pixel in running order lies. */
MCU_INLINE int32_t mcu_first_pixel(int32_t pixels, int32_t channels, int32_t descending) {
    return descending ? (pixels - 1) * channels : 0;
}

#endif
