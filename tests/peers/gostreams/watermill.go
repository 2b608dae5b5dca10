// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

type mill struct {
	publisher  *redisstream.Publisher
	subscriber *redisstream.Subscriber
}

func openWatermill(address string) framework {
	client := redis.NewClient(&redis.Options{Addr: address})
	logger := watermill.NewStdLogger(false, false)
	publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, logger)
	check(err)
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, ConsumerGroup: "watermill", BlockTime: 100 * time.Millisecond}, logger)
	check(err)
	return &mill{publisher, subscriber}
}

func (m *mill) receive(ctx context.Context, tell func(line)) error {
	messages, err := m.subscriber.Subscribe(ctx, "from-c")
	if err != nil {
		return err
	}
	go func() {
		for received := range messages {
			tell(line{ID: received.UUID, Type: received.Metadata.Get("contentType"),
				Hex: hex.EncodeToString(received.Payload), Headers: received.Metadata})
			received.Ack()
		}
	}()
	return nil
}

func (m *mill) send(_ context.Context, wanted line, payload []byte) error {
	msg := message.NewMessage(wanted.ID, payload)
	for name, value := range wanted.Headers {
		msg.Metadata.Set(name, value)
	}
	if wanted.Type != "" {
		msg.Metadata.Set("content-type", wanted.Type)
	}
	return m.publisher.Publish("to-c", msg)
}
