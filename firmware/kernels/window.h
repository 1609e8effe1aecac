/* Which taps of a sliding window fall inside the input, along one axis. */
#ifndef MCU_WINDOW_H
#define MCU_WINDOW_H

#include <stdint.h>

/* Tap k of output o reads input o * stride - pad + k * dilation. pad is TFLite's padding before the first
 * element (SAME: half of the total, rounded down; VALID: 0). All values below 2^15 but sizes, below 2^16. */
struct mcu_axis {
    int32_t in_size;
    int32_t out_size;
    int32_t taps;
    int32_t stride;
    int32_t pad;
    int32_t dilation;
};

/* Taps first <= k < end lie inside the input; tap 0 reads input index origin, which may be negative. */
struct mcu_span {
    int32_t origin;
    int32_t first;
    int32_t end;
};

static inline struct mcu_span mcu_span_at(const struct mcu_axis *axis, int32_t out) {
    int32_t origin = out * axis->stride - axis->pad;
    struct mcu_span span = {origin, 0, axis->taps};
    if (origin < 0) {
        span.first = (axis->dilation - 1 - origin) / axis->dilation;
    }
    if (origin + (axis->taps - 1) * axis->dilation >= axis->in_size) {
        span.end = (axis->in_size - origin + axis->dilation - 1) / axis->dilation;
    }
    return span;
}

/* The part of a window that lies inside an NHWC image. */
struct mcu_window {
    const int8_t *first; /* its first pixel */
    int32_t rows;
    int32_t columns;
    int32_t in_row; /* bytes between neighbours in y */
    int32_t channels;
};

#endif
