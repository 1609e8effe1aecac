#include "pointwise.h"

#include "dot.h"
#include "requantize.h"

/* Output channel o of one pixel from its accumulator. */
static inline int8_t output(const struct mcu_pointwise_s8 *layer, int32_t o, int32_t acc) {
    return mcu_requantize_s8(acc, layer->multiplier[o], layer->shift[o], layer->out_zero_point,
                             layer->out_min, layer->out_max);
}

void mcu_pointwise_s8(const struct mcu_pointwise_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t in_channels = layer->in_channels;
    const int32_t out_channels = layer->out_channels;
    for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
        const int8_t *w = layer->weights;
        int32_t o = 0;
        for (; o + 4 <= out_channels; o += 4) {
            const int32_t *bias = layer->bias + o;
            int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
            mcu_dot4_s8(acc, in, w, in_channels, in_channels, 0);
            w += 4 * in_channels;
            out[o] = output(layer, o, acc[0]);
            out[o + 1] = output(layer, o + 1, acc[1]);
            out[o + 2] = output(layer, o + 2, acc[2]);
            out[o + 3] = output(layer, o + 3, acc[3]);
        }
        for (; o < out_channels; o++) {
            out[o] = output(layer, o, mcu_dot_s8(layer->bias[o], in, w, in_channels, 0));
            w += in_channels;
        }
        in += in_channels;
        out += out_channels;
    }
}
