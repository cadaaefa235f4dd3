package main

import (
	"crypto/rand"
	"encoding/hex"
)

// trace is the identity a request is sent with: 16 bytes trace id, 8 bytes id of the caller's span.
type trace [24]byte

// newTrace makes a random, never all-zero identity.
func newTrace() trace {
	var t trace
	if _, err := rand.Read(t[:]); err != nil {
		panic(err)
	}
	t[0] |= 0x10
	t[16] |= 0x10
	return t
}

func (t trace) id() string { return hex.EncodeToString(t[:16]) }

// parent is the W3C header value, sampled.
func (t trace) parent() string {
	return "00-" + t.id() + "-" + hex.EncodeToString(t[16:]) + "-01"
}
