//go:build peek
// +build peek

package main

import "unsafe"

// trigger asks the runtime itself for what it tells nobody: the heap size at which it collects next, and
// the goal. Linkers since Go 1.23 allow this with -checklinkname=0 only.
//
//go:linkname trigger runtime.(*gcControllerState).trigger
func trigger(controller unsafe.Pointer) (uint64, uint64)

//go:linkname controller runtime.gcController
var controller [1]uint64

func init() {
	peeks["trigger"] = func() int64 {
		at, _ := trigger(unsafe.Pointer(&controller))
		return int64(at)
	}
}
