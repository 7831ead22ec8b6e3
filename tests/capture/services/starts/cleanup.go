//go:build go1.24

package main

import "runtime"

func init() {
	ways["cleanup"] = func(int) {
		runtime.AddCleanup(&handle{page: make([]byte, pageSize)}, logOut, "")
	}
}

func logOut(string) {
	<-done // blocked: cleanup
}
