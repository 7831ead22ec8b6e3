// Package traffic is what a service does all day beside its one mistake: it answers requests in
// JSON, keeps sessions, a cache with eviction, the last requests and log lines, and counts. All
// of it is bounded and filled from the start, some 15 MB, and all of it is replaced all the time:
// in a sampled profile, single lines seem to grow or shrink by a megabyte or two.
package traffic

import (
	"math"
	"math/rand"
	"net/http"
	"sync"
	"time"

	"memsnap.test/scenarios/internal/pace"
)

const (
	users     = 3_000
	requests  = 2_048
	documents = 400
	logLines  = 5_000
	paths     = 3_000

	// Of all operations; an HTTP request costs fifty times as much as any other one.
	overHTTP = 0.05

	countedFor = 5 * time.Second
	swingTime  = 40 * time.Second
)

// Load is how much a service has to do: PerSecond operations a second, and at the quietest moment
// of a swing of 40 s, a share Swing fewer users and requests that it keeps.
type Load struct {
	PerSecond, Swing float64
}

// service holds the state of the background.
type service struct {
	mu        sync.Mutex
	load      Load
	started   time.Time
	random    *rand.Rand
	sessions  map[int]*session
	recent    [requests]*request
	documents [documents]map[string]any
	lines     [logLines]string
	line      int
	cache     *cache
	uploads   [uploads][]byte
	visits    map[string]int
	counting  time.Time
}

// Start fills the service, registers its handlers, and keeps it busy. Client reaches the process's
// own server at address.
func Start(client *http.Client, address string, load Load) {
	s := &service{
		load:     load,
		started:  time.Now(),
		random:   rand.New(rand.NewSource(time.Now().UnixNano())),
		sessions: make(map[int]*session, users),
		cache:    newCache(),
		visits:   map[string]int{},
		counting: time.Now(),
	}
	s.fill()
	http.HandleFunc("/orders", s.order)
	http.HandleFunc("/catalog", s.catalog)
	go pace.Run(load.PerSecond*(1-overHTTP), s.step)
	random := rand.New(rand.NewSource(s.random.Int63()))
	go pace.Run(load.PerSecond*overHTTP, customer{client, address, random}.visit)
}

func (s *service) fill() {
	for user := 0; user < users; user++ {
		s.logIn(user)
	}
	for i := range s.recent {
		s.receive(i)
	}
	for i := range s.documents {
		s.replace(i)
	}
	for range s.lines {
		s.log()
	}
	for i := 0; i < 4*cached; i++ {
		s.cache.page(s.random, s.pick())
	}
}

// step is one of the operations that do not come over HTTP: from queues, timers, other services.
func (s *service) step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind := s.random.Intn(100); {
	case kind < 30:
		s.renew(s.random.Intn(requests))
	case kind < 50:
		s.comeOrGo(s.random.Intn(users))
	case kind < 65:
		s.cache.page(s.random, s.pick())
	case kind < 70:
		s.replace(s.random.Intn(documents))
	case kind < 95:
		s.log()
	case kind < 97:
		s.upload()
	default:
		s.count()
	}
}

// active is the share of users and requests that are there at this moment of the swing.
func (s *service) active() float64 {
	at := time.Since(s.started).Seconds() / swingTime.Seconds()
	return 1 - s.load.Swing*(1-math.Cos(2*math.Pi*at))/2
}

// pick returns a page: few are asked for often, many seldom.
func (s *service) pick() int {
	return int(s.random.ExpFloat64() * cached)
}
