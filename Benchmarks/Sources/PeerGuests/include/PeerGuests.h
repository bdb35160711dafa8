// ROM images for PCs. guests.S describes them.
#ifndef PEER_GUESTS_H
#define PEER_GUESTS_H

#include <stdint.h>

enum { PEER_IMAGE_SIZE = 0x10000 };

/// Return images of PEER_IMAGE_SIZE bytes each.
const uint8_t *peer_hello_image(void);
const uint8_t *peer_bars_image(void);

/// A guest of several vCPUs, which vcpus.S describes. At PEER_VCPUS_PARAMETERS it needs three numbers of 32 bits: the reads of
/// each vCPU, the number of vCPUs, and the distance of their ports.
enum { PEER_VCPUS_SIZE = 0x1100, PEER_VCPUS_PARAMETERS = 8 };
const uint8_t *peer_vcpus_image(void);

#endif
