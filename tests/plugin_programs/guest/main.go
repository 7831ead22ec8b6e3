// A plugin that keeps what it allocates.
package main

type Guest struct {
	next *Guest
	_    [120]byte
}

var kept *Guest

// Keep allocates n objects.
func Keep(n int) {
	for i := 0; i < n; i++ {
		kept = &Guest{next: kept}
	}
}

func main() {}
