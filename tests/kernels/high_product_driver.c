/* The doubling high multiply of pairs of numbers, for tests: pairs of int32 from standard input, for each
 * the product by halves and the one that requantize.h takes here, to standard output. */
#include <stdint.h>
#include <stdio.h>

#include "high_product.h"

int main(void) {
    int32_t pair[2];
    while (fread(pair, sizeof pair, 1, stdin) == 1) {
        const int32_t high[2] = {mcu_high_product_by_halves(pair[0], pair[1]),
                                 mcu_high_product(pair[0], pair[1])};
        fwrite(high, sizeof high, 1, stdout);
    }
    return 0;
}
