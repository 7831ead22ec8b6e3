// Boxed hands structs to encoding/json, which boxes some of their fields in interfaces.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

// A Limits is as large as a time.Time, and what a Report points to.
type Limits struct {
	Name      *string
	Low, High int
}

type Report struct {
	Start  time.Time `json:"start,omitzero"`
	Limits *Limits
}

type Event struct {
	At time.Time `json:"at,omitzero"`
	ID int
}

//go:noinline
func report() ([]byte, error) { return json.Marshal(&Report{Start: time.Now(), Limits: &Limits{}}) }

//go:noinline
func event() ([]byte, error) { return json.Marshal(&Event{At: time.Now()}) }

func main() {
	for _, encode := range []func() ([]byte, error){report, event} {
		if _, err := encode(); err != nil {
			panic(err)
		}
	}
	runtime.GC()
	runtime.GC()
	out, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(out, 0); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
}
