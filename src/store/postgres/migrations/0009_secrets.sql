-- Properties whose values are sealed before they are stored: in configs.json and in payloads of
-- commands they are words that only whoever has the key can open.
ALTER TABLE image_properties ADD COLUMN secret boolean NOT NULL DEFAULT false;
