/* The device protocol of MLPerf Tiny: what EEMBC's public runner asks. docs/serial_protocol.md, first table.
 */
#ifndef MLPERF_H
#define MLPERF_H

#include "protocol.h"

#define MLPERF_PROFILE "ULPMark for tinyML Firmware V0.0.1"

/* The lines after a reset. Ours comes first: model and hash, by which a host sees which firmware runs. */
void mlperf_say_boot(void);

/* Each answers one command, without the closing `m-ready`. */
void mlperf_name(const struct protocol *protocol);
void mlperf_profile(const struct protocol *protocol);
void mlperf_timestamp(const struct protocol *protocol);
void mlperf_db(const struct protocol *protocol);
void mlperf_infer(const struct protocol *protocol);
void mlperf_results(const struct protocol *protocol);

#endif
