// Pool_grown gives each session a pooled buffer of 512 bytes. One large message makes it grow,
// and it keeps that capacity for all the small ones that follow, until the session ends.
//
//truth:service verdict=leak trap=pool ops=500
//truth:site mark=grow function=main.(*session).receive type=[]uint8 alloc=append size=65536 per_op=1 holder=main.sessions
package main

import (
	"sync"

	"memsnap.test/scenarios/internal/bench"
)

const (
	smallMessage = 100
	largeMessage = 64 << 10
)

type session struct {
	buffer *[]byte
}

var (
	sessions [4_000]session
	message  [largeMessage]byte
	pool     = sync.Pool{New: func() any {
		buffer := make([]byte, 0, 512)
		return &buffer
	}}
)

func (s *session) receive(message []byte) {
	if s.buffer == nil {
		s.buffer = pool.Get().(*[]byte)
	}
	*s.buffer = append((*s.buffer)[:0], message...) // site: grow
}

func main() {
	bench.Main(func(i int) {
		s := &sessions[i%len(sessions)]
		s.receive(message[:])
		s.receive(message[:smallMessage])
		if i < len(sessions) {
			bench.Keep(1, cap(*s.buffer))
		}
	})
}
