#include "PeerGuests.h"

extern const uint8_t peer_hello[PEER_IMAGE_SIZE], peer_bars[PEER_IMAGE_SIZE], peer_vcpus[PEER_VCPUS_SIZE];

const uint8_t *peer_hello_image(void) { return peer_hello; }

const uint8_t *peer_bars_image(void) { return peer_bars; }

const uint8_t *peer_vcpus_image(void) { return peer_vcpus; }
