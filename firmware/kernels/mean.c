#include "mean.h"

#include "requantize.h"

void mcu_mean_s8(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out) {
    for (int32_t channel = 0; channel < layer->channels; channel++) {
        const int8_t *x = in + channel;
        int32_t sum = 0;
        for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
            sum += *x;
            x += layer->channels;
        }
        if (layer->same_quantization) {
            out[channel] = (int8_t)(sum / layer->pixels);
        } else {
            out[channel] = mcu_requantize_s8(sum + layer->sum_offset, layer->multiplier, layer->shift,
                                             layer->out_zero_point, INT8_MIN, INT8_MAX);
        }
    }
}
