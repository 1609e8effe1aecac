#include "fully_connected.h"

#include "dot.h"
#include "requantize.h"

static inline int8_t output(const struct mcu_fully_connected_s8 *layer, int32_t o, int32_t acc) {
    return mcu_requantize_s8(acc, layer->multiplier[o], layer->shift[o], layer->out_zero_point,
                             layer->out_min, layer->out_max);
}

void mcu_fully_connected_s8(const struct mcu_fully_connected_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t in_channels = layer->in_channels;
    const int8_t *w = layer->weights;
    int32_t o = 0;
    for (; o + 4 <= layer->out_channels; o += 4) {
        const int32_t *bias = layer->bias + o;
        int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
        mcu_dot4_s8(acc, in, w, in_channels, in_channels, 0);
        w += 4 * in_channels;
        for (int32_t k = 0; k < 4; k++) {
            out[o + k] = output(layer, o + k, acc[k]);
        }
    }
    for (; o < layer->out_channels; o++) {
        out[o] = output(layer, o, mcu_dot_s8(layer->bias[o], in, w, in_channels, 0));
        w += in_channels;
    }
}
