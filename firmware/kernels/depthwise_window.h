/* The window of one output pixel of a depthwise convolution, shared by depthwise and depthwise_planar. */
#ifndef MCU_DEPTHWISE_WINDOW_H
#define MCU_DEPTHWISE_WINDOW_H

#include <stdint.h>

#include "inline.h"
#include "window.h"

/* The taps of the window that lie inside the input. */
struct mcu_depthwise_patch {
    const int8_t *in; /* first tap */
    const int8_t *weights;
    int32_t rows;
    int32_t columns;
    int32_t in_row; /* distances between rows and columns, in elements */
    int32_t in_column;
    int32_t weight_row;
    int32_t weight_column; /* = output channels */
};

MCU_INLINE struct mcu_depthwise_patch mcu_depthwise_patch_at(const struct mcu_axis *y_axis, struct mcu_span y,
                                                             const struct mcu_axis *x_axis, struct mcu_span x,
                                                             const int8_t *in, int32_t in_channels,
                                                             const int8_t *weights, int32_t out_channels) {
    const int32_t in_row = x_axis->in_size * in_channels;
    struct mcu_depthwise_patch patch;
    patch.in = in + (y.origin + y.first * y_axis->dilation) * in_row +
               (x.origin + x.first * x_axis->dilation) * in_channels;
    patch.weight_column = out_channels;
    patch.weight_row = x_axis->taps * out_channels;
    patch.weights = weights + y.first * patch.weight_row + x.first * out_channels;
    patch.rows = y.end - y.first;
    patch.columns = x.end - x.first;
    patch.in_row = y_axis->dilation * in_row;
    patch.in_column = x_axis->dilation * in_channels;
    return patch;
}

/* acc + the window's products of one input channel with one output channel's weights. offset is added to
 * each input. */
MCU_INLINE int32_t mcu_depthwise_accumulate(int32_t acc, const struct mcu_depthwise_patch *patch,
                                            int32_t in_channel, int32_t out_channel, int16_t offset) {
    const int8_t *x_row = patch->in + in_channel;
    const int8_t *w_row = patch->weights + out_channel;
    for (int32_t row = patch->rows; row > 0; row--) {
        const int8_t *x = x_row;
        const int8_t *w = w_row;
        for (int32_t column = patch->columns; column > 0; column--) {
            acc += (*x + offset) * *w;
            x += patch->in_column;
            w += patch->weight_column;
        }
        x_row += patch->in_row;
        w_row += patch->weight_row;
    }
    return acc;
}

#endif
