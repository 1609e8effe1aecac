#include "add.h"

#include "requantize.h"

#define HEADROOM_BITS 20

static inline int32_t to_shared_scale(const struct mcu_add_input *input, int8_t x) {
    return mcu_scale((x - input->zero_point) * (1 << HEADROOM_BITS), input->multiplier, input->shift);
}

void mcu_add_s8(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    /* Copies: out may alias anything, as far as the C compiler knows. */
    const struct mcu_add_s8 local = *layer;
    for (int32_t i = 0; i < local.count; i++) {
        int32_t sum = to_shared_scale(&local.a, a[i]) + to_shared_scale(&local.b, b[i]);
        out[i] = mcu_requantize_s8(sum, local.out_multiplier, local.out_shift, local.out_zero_point,
                                   local.out_min, local.out_max);
    }
}
