#include "pointwise.h"

#include "dot.h"
#include "pixel_order.h"
#include "row_done.h"

void mcu_pointwise_s8(const struct mcu_pointwise_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t in_channels = layer->in_channels;
    const int32_t out_channels = layer->out_channels;
    const struct mcu_output output = layer->output;
    for (int32_t step = 0; step < layer->pixels; step++) {
        const int32_t pixel = mcu_in_order(step, layer->pixels, layer->descending);
        const int8_t *x = in + pixel * in_channels;
        int8_t *y = out + pixel * out_channels;
        const int8_t *w = layer->weights;
        const int32_t *bias = layer->bias;
        const struct mcu_factor *factors = layer->factors;
        int32_t left = out_channels;
        for (; left >= 4; left -= 4) {
            int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
            mcu_dot4_s8(acc, x, w, in_channels, in_channels, 0);
            mcu_requantize4_s8(acc, factors, output, y);
            w += 4 * in_channels;
            bias += 4;
            factors += 4;
            y += 4;
        }
        for (; left > 0; left--) {
            *y++ = mcu_requantize_s8(mcu_dot_s8(*bias++, x, w, in_channels, 0), *factors++, output);
            w += in_channels;
        }
        MCU_ROW_DONE(step);
    }
}
